//! The sink that a transport writes a response body to.

use http::StatusCode;

/// Receives the body of a response as it arrives; for implementers of a `Transport`.
///
/// ```
/// use eventhub_checkpointstore::BodySink;
/// use http::StatusCode;
///
/// /// Hands over a response body that is read from a connection, as `send_streamed` of a transport does.
/// fn hand_over(
///     status: StatusCode,
///     mut body: impl std::io::Read,
///     sink: &mut dyn BodySink,
/// ) -> std::io::Result<()> {
///     let mut chunk = vec![0; 65_536];
///     loop {
///         match body.read(&mut chunk)? {
///             0 => return Ok(()),
///             length => sink.write(status, &chunk[..length]),
///         }
///     }
/// }
/// ```
///
#[doc = shared_example!("transport/body_sink")]
pub trait BodySink: Send {
    /// Receives the next chunk of the body of a response with this status.
    fn write(&mut self, status: StatusCode, chunk: &[u8]);
}
