use std::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident: $($variant:ident = $number:literal, $text:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the codes are their names")]
        pub enum $name {
            $($variant,)*
        }

        impl $name {
            /// Every code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// From the number on the wire.
            pub const fn new(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// By its name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Why an HTTP/2 stream or connection ended (RFC 9113 §7).
    Http2Code:
    NoError = 0, "NO_ERROR";
    ProtocolError = 1, "PROTOCOL_ERROR";
    InternalError = 2, "INTERNAL_ERROR";
    FlowControlError = 3, "FLOW_CONTROL_ERROR";
    SettingsTimeout = 4, "SETTINGS_TIMEOUT";
    StreamClosed = 5, "STREAM_CLOSED";
    FrameSizeError = 6, "FRAME_SIZE_ERROR";
    RefusedStream = 7, "REFUSED_STREAM";
    Cancel = 8, "CANCEL";
    CompressionError = 9, "COMPRESSION_ERROR";
    ConnectError = 10, "CONNECT_ERROR";
    EnhanceYourCalm = 11, "ENHANCE_YOUR_CALM";
    InadequateSecurity = 12, "INADEQUATE_SECURITY";
    Http11Required = 13, "HTTP_1_1_REQUIRED";
}

codes! {
    /// How a remote procedure call ended: the codes of gRPC, which Connect shares but for `OK`.
    RpcStatus:
    Ok = 0, "OK";
    Cancelled = 1, "CANCELLED";
    Unknown = 2, "UNKNOWN";
    InvalidArgument = 3, "INVALID_ARGUMENT";
    DeadlineExceeded = 4, "DEADLINE_EXCEEDED";
    NotFound = 5, "NOT_FOUND";
    AlreadyExists = 6, "ALREADY_EXISTS";
    PermissionDenied = 7, "PERMISSION_DENIED";
    ResourceExhausted = 8, "RESOURCE_EXHAUSTED";
    FailedPrecondition = 9, "FAILED_PRECONDITION";
    Aborted = 10, "ABORTED";
    OutOfRange = 11, "OUT_OF_RANGE";
    Unimplemented = 12, "UNIMPLEMENTED";
    Internal = 13, "INTERNAL";
    Unavailable = 14, "UNAVAILABLE";
    DataLoss = 15, "DATA_LOSS";
    Unauthenticated = 16, "UNAUTHENTICATED";
}

#[cfg(test)]
mod tests {
    use super::{Http2Code, RpcStatus};

    #[test]
    fn numbers_and_names_lead_back() {
        for code in Http2Code::ALL {
            assert_eq!(Http2Code::new(code.number().into()), Some(*code));
            assert_eq!(Http2Code::named(code.as_str()), Some(*code));
        }
        for (number, status) in RpcStatus::ALL.iter().enumerate() {
            assert_eq!(usize::from(status.number()), number);
            assert_eq!(RpcStatus::named(status.as_str()), Some(*status));
        }
        assert_eq!(Http2Code::new(0x8).map(Http2Code::as_str), Some("CANCEL"));
        assert_eq!(RpcStatus::new(5).map(RpcStatus::as_str), Some("NOT_FOUND"));
        assert_eq!((Http2Code::new(99), RpcStatus::new(17)), (None, None));
    }
}
