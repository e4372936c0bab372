//! The operations, from the request to the response.

use super::super::loopback::{Recorded, Reply, http_date};
use super::conditions;
use super::listing;
use super::request::{self, Target};
use super::response::Refusal;
use super::state::{Blob, Key, Operation, Place, State};

pub(super) fn process(
    state: &mut State,
    request: &Recorded,
    account: Option<&str>,
    is_authorized: bool,
) -> Reply {
    dispatch(state, request, account, is_authorized)
        .unwrap_or_else(|refusal| refusal.reply(request))
}

fn dispatch(
    state: &mut State,
    request: &Recorded,
    account: Option<&str>,
    is_authorized: bool,
) -> Result<Reply, Refusal> {
    request::check_required_headers(request)?;
    if !is_authorized {
        return Err(Refusal::AUTHENTICATION_FAILED);
    }
    if request::is_about_account(request, account) {
        return service_properties(state, request);
    }
    let target = Target::of(request, account)?;
    match &target.blob {
        Some(blob) => on_blob(state, request, &target.container, blob),
        None => on_container(state, request, &target.container),
    }
}

fn service_properties(state: &State, request: &Recorded) -> Result<Reply, Refusal> {
    let (restype, comp) = (request.query("restype"), request.query("comp"));
    match (request.method.as_str(), restype.as_deref(), comp.as_deref()) {
        ("GET", Some("service"), Some("properties")) => {
            let policy = match state.delete_retention_days {
                Some(days) => format!("<Enabled>true</Enabled><Days>{days}</Days>"),
                None => "<Enabled>false</Enabled>".to_owned(),
            };
            let body = format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceProperties><Logging>\
                 <Version>1.0</Version></Logging><Cors /><DeleteRetentionPolicy>{policy}</DeleteRetentionPolicy>\
                 </StorageServiceProperties>"
            );
            Ok(Reply::new(200).header("Content-Type", "application/xml").body(body))
        }
        _ => Err(Refusal::NOT_IMPLEMENTED),
    }
}

fn on_container(state: &mut State, request: &Recorded, name: &str) -> Result<Reply, Refusal> {
    if request.query("restype").as_deref() == Some("account")
        && request.query("comp").as_deref() == Some("properties")
    {
        let is_hierarchical = state.is_hierarchical.to_string();
        return Ok(Reply::new(200)
            .header("x-ms-sku-name", "Standard_LRS")
            .header("x-ms-account-kind", "StorageV2")
            .header("x-ms-is-hns-enabled", is_hierarchical));
    }
    if request.query("restype").as_deref() != Some("container") {
        return Err(Refusal::NOT_IMPLEMENTED);
    }
    let comp = request.query("comp");
    match (request.method.as_str(), comp.as_deref()) {
        ("PUT", None) => create_container(state, request, name),
        ("DELETE", None) => delete_container(state, request, name),
        ("GET" | "HEAD", None) => container_properties(state, name),
        ("GET", Some("list")) => listing::list(state, request, name),
        _ => Err(Refusal::NOT_IMPLEMENTED),
    }
}

fn create_container(state: &mut State, request: &Recorded, name: &str) -> Result<Reply, Refusal> {
    if state.container(name).is_some() {
        return Err(Refusal::CONTAINER_ALREADY_EXISTS);
    }
    let etag = state.create_container(name);
    let place = place(request, name, Operation::CreateContainer);
    state.history.push(place.write("", Some(etag.clone()), Vec::new()));
    Ok(Reply::new(201)
        .header("ETag", quoted(&etag))
        .header("Last-Modified", http_date(state.now())))
}

fn delete_container(state: &mut State, request: &Recorded, name: &str) -> Result<Reply, Refusal> {
    if !state.remove_container(name) {
        return Err(Refusal::CONTAINER_NOT_FOUND);
    }
    let place = place(request, name, Operation::DeleteContainer);
    state.history.push(place.write("", None, Vec::new()));
    Ok(Reply::new(202))
}

fn container_properties(state: &State, name: &str) -> Result<Reply, Refusal> {
    let container = state.container(name).ok_or(Refusal::CONTAINER_NOT_FOUND)?;
    let mut reply = Reply::new(200).header("ETag", quoted(&container.etag));
    if !state.container_headers.contains_key("x-ms-lease-state") {
        reply = reply.header("x-ms-lease-state", "available");
    }
    for (name, value) in &state.container_headers {
        reply = reply.header(name, value.as_str());
    }
    Ok(reply)
}

fn on_blob(
    state: &mut State,
    request: &Recorded,
    container: &str,
    name: &str,
) -> Result<Reply, Refusal> {
    let blobs = &state.container(container).ok_or(Refusal::CONTAINER_NOT_FOUND)?.blobs;
    let current = blobs.get(&Key::live(name)).cloned();
    let comp = request.query("comp");
    match (request.method.as_str(), comp.as_deref()) {
        ("PUT", None) => put_blob(state, request, container, name, current),
        ("PUT", Some("metadata")) => set_metadata(state, request, container, name, current),
        ("GET" | "HEAD", None | Some("metadata")) => read_blob(request, current),
        ("DELETE", None) => delete_blob(state, request, container, name, current),
        _ => Err(Refusal::NOT_IMPLEMENTED),
    }
}

fn put_blob(
    state: &mut State,
    request: &Recorded,
    container: &str,
    name: &str,
    current: Option<Blob>,
) -> Result<Reply, Refusal> {
    match request.header("x-ms-blob-type") {
        None => return Err(Refusal::MISSING_REQUIRED_HEADER),
        Some("BlockBlob") => {}
        Some(_) => return Err(Refusal::NOT_IMPLEMENTED),
    }
    let metadata = request::metadata(request)?;
    conditions::check_for_put(request, current.as_ref())?;
    let content_type = request.header("content-type");
    let blob = Blob {
        metadata,
        etag: state.new_etag(),
        last_modified: state.now(),
        content: request.body.clone(),
        created: current.map_or_else(|| state.now(), |blob| blob.created),
        content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
        list_elements: String::new(),
        list_properties: String::new(),
    };
    let reply = written(201, &blob);
    let place = place(request, container, Operation::PutBlob);
    state.store(place, Key::live(name), blob);
    Ok(reply)
}

fn set_metadata(
    state: &mut State,
    request: &Recorded,
    container: &str,
    name: &str,
    current: Option<Blob>,
) -> Result<Reply, Refusal> {
    // A blob that is not there is 404 whatever the conditions say.
    let current = current.ok_or(Refusal::BLOB_NOT_FOUND)?;
    let metadata = request::metadata(request)?;
    conditions::check(request, &current)?;
    let blob = Blob { metadata, etag: state.new_etag(), last_modified: state.now(), ..current };
    let reply = written(200, &blob);
    let place = place(request, container, Operation::SetMetadata);
    state.store(place, Key::live(name), blob);
    Ok(reply)
}

fn written(status: u16, blob: &Blob) -> Reply {
    Reply::new(status)
        .header("ETag", quoted(&blob.etag))
        .header("Last-Modified", http_date(blob.last_modified))
        .header("x-ms-request-server-encrypted", "true")
}

fn read_blob(request: &Recorded, current: Option<Blob>) -> Result<Reply, Refusal> {
    let blob = current.ok_or(Refusal::BLOB_NOT_FOUND)?;
    conditions::check(request, &blob)?;
    let reply = content(request, blob.content)?
        .header("Content-Type", blob.content_type)
        .header("ETag", quoted(&blob.etag))
        .header("Last-Modified", http_date(blob.last_modified))
        .header("x-ms-creation-time", http_date(blob.created))
        .header("x-ms-blob-type", "BlockBlob")
        .header("x-ms-lease-status", "unlocked")
        .header("x-ms-lease-state", "available")
        .header("x-ms-server-encrypted", "true");
    let sendable = |(key, value): &&(String, String)| is_sendable(key) && is_sendable(value);
    let metadata = blob.metadata.iter().filter(sendable);
    Ok(metadata.fold(reply, |reply, (key, value)| {
        reply.header(&format!("x-ms-meta-{key}"), value.as_str())
    }))
}

/// All of it, or what `x-ms-range` asks for; only ranges from the first byte on are known.
fn content(request: &Recorded, mut content: Vec<u8>) -> Result<Reply, Refusal> {
    let Some(range) = request.header("x-ms-range") else {
        return Ok(Reply::new(200).body(content));
    };
    let last: usize = range
        .strip_prefix("bytes=0-")
        .and_then(|last| last.parse().ok())
        .ok_or(Refusal::NOT_IMPLEMENTED)?;
    if content.is_empty() {
        return Err(Refusal::INVALID_RANGE);
    }
    let length = content.len();
    content.truncate(last.saturating_add(1));
    let range = format!("bytes 0-{}/{length}", content.len() - 1);
    Ok(Reply::new(206).header("Content-Range", range).body(content))
}

/// Foreign metadata that a header cannot hold would break the response, not test the client.
fn is_sendable(text: &str) -> bool {
    !text.contains(|c: char| c.is_control())
}

fn delete_blob(
    state: &mut State,
    request: &Recorded,
    container: &str,
    name: &str,
    current: Option<Blob>,
) -> Result<Reply, Refusal> {
    let current = current.ok_or(Refusal::BLOB_NOT_FOUND)?;
    conditions::check(request, &current)?;
    state.remove(place(request, container, Operation::DeleteBlob), name);
    Ok(Reply::new(202).header("x-ms-delete-type-permanent", "true"))
}

fn place<'a>(request: &Recorded, container: &'a str, operation: Operation) -> Place<'a> {
    Place { container, operation, request: Some(request.index) }
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
