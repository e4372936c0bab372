//! The sink that a transport writes a response body to.

use http::StatusCode;

/// What takes in the body of an answer while it comes; for implementers of a `Transport`.
///
/// ```
/// use eventhub_checkpointstore::BodyReader;
/// use http::StatusCode;
///
/// /// What the `send_streamed` of a transport does with an answer that it reads from a connection.
/// fn hand_over(
///     status: StatusCode,
///     mut body: impl std::io::Read,
///     reader: &mut dyn BodyReader,
/// ) -> std::io::Result<()> {
///     let mut piece = vec![0; 65_536];
///     loop {
///         match body.read(&mut piece)? {
///             0 => return Ok(()),
///             length => reader.take_in(status, &piece[..length]),
///         }
///     }
/// }
/// ```
pub trait BodyReader: Send {
    /// Takes in the next bytes of the body of an answer with this status.
    fn take_in(&mut self, status: StatusCode, piece: &[u8]);
}
