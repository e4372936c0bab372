use http::StatusCode;

/// What takes in the body of an answer while it comes; for implementers of a `Transport`.
pub trait BodyReader: Send {
    /// Takes in the next bytes of the body of an answer with this status.
    fn take_in(&mut self, status: StatusCode, piece: &[u8]);
}
