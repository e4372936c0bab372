"""Events as JSON, in the form that the tests of all languages share, and the address of the double.

An event is {"number", "offset", "enqueued" (ms), "key", "body", "properties", "system", "message_id", "correlation_id",
"content_type"}. A body is {"data": text}, {"value": …} or {"sequence": [[…], …]}. Python does not tell text from bytes.
"""

from azure.core.credentials import AzureNamedKeyCredential
from azure.eventhub import EventData, TransportType
from azure.eventhub._pyamqp import _transport
from azure.eventhub._pyamqp.aio import _transport_async
from azure.eventhub.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType

# The client sets the segment size of a socket to the one that it reads from it. On loopback that is now and then larger
# than the kernel takes, and the connection fails.
for module in (_transport, _transport_async):
    module.KNOWN_TCP_OPTS = {option for option in module.KNOWN_TCP_OPTS if option != "TCP_MAXSEG"}

SYSTEM = ("subject", "x-opt-sender")


def client_arguments(options):
    """Return what leads a client to the double; the names stay those of the namespace."""
    return {
        "fully_qualified_namespace": options["namespace"],
        "eventhub_name": options["eventhub"],
        "credential": AzureNamedKeyCredential("key-name", "key"),
        "custom_endpoint_address": f"sb://127.0.0.1:{options['port']}",
        "transport_type": TransportType.Amqp,
        # What UseDevelopmentEmulator=true in a connection string does.
        "use_tls": False,
    }


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def described(event):
    system = {plain(key): plain(value) for key, value in event.system_properties.items()}
    return {
        "number": event.sequence_number,
        "offset": plain(event.offset),
        "enqueued": round(event.enqueued_time.timestamp() * 1000),
        "key": plain(event.partition_key),
        "body": body(event),
        "properties": plain(event.properties or {}),
        "system": {name: system[name] for name in SYSTEM if name in system},
        "message_id": plain(event.message_id),
        "correlation_id": plain(event.correlation_id),
        "content_type": plain(event.content_type),
    }


def body(event):
    if event.body_type == AmqpMessageBodyType.DATA:
        return {"data": plain(b"".join(event.body))}
    if event.body_type == AmqpMessageBodyType.SEQUENCE:
        return {"sequence": plain(list(event.body))}
    return {"value": plain(event.body)}


def made(event):
    """Return the event to send; one with system properties or with a body that is not bytes as a raw message."""
    kind, content = next(iter(event["body"].items()))
    if kind == "data" and not event.get("system"):
        data = EventData(content.encode())
        data.properties = dict(event["properties"])
        data.message_id = event.get("message_id")
        data.correlation_id = event.get("correlation_id")
        data.content_type = event.get("content_type")
        return data
    bodies = {
        "data": {"data_body": content.encode() if kind == "data" else None},
        "value": {"value_body": content},
        "sequence": {"sequence_body": content},
    }
    system = event.get("system", {})
    properties = {name: event.get(name) for name in ("message_id", "correlation_id", "content_type")}
    return AmqpAnnotatedMessage(
        **bodies[kind],
        properties={**properties, "subject": system.get("subject")},
        application_properties=dict(event["properties"]),
        annotations={name: value for name, value in system.items() if name != "subject"},
    )
