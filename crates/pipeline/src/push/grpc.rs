//! OTLP over gRPC (<https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>). Messages come as they are to be sent.

use super::{Ended, PATIENCE, Refused, Signal, Target, tls};
use prost::{Message, bytes::BufMut};
use std::{error::Error as _, time::Duration};
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Code, Request, Status, client,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataKey, MetadataMap},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

pub(super) struct Grpc {
    client: client::Grpc<Channel>,
    metadata: MetadataMap,
    runtime: Runtime,
    is_encrypted: bool,
}

impl Grpc {
    pub(super) fn new(target: &Target) -> Result<Self, Refused> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Refused::Runtime)?;
        let address = |error: tonic::transport::Error| Refused::Address(error.to_string());
        let mut endpoint = Endpoint::from_shared(target.url.clone())
            .and_then(|endpoint| endpoint.user_agent(format!("overhear/{}", target.version)))
            .map_err(address)?
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE);
        if target.is_encrypted() {
            endpoint = endpoint.tls_config(encrypted(target)).map_err(address)?;
        }
        // Connects when something is sent, and anew when that broke.
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_lazy()
        };
        Ok(Self {
            client: client::Grpc::new(channel),
            metadata: metadata(target)?,
            runtime,
            is_encrypted: target.is_encrypted(),
        })
    }

    pub(super) fn send(&mut self, signal: Signal, body: &[u8]) -> Ended {
        let Self { client, metadata, runtime, is_encrypted } = self;
        let mut request = Request::new(body.to_vec());
        *request.metadata_mut() = metadata.clone();
        let path = PathAndQuery::from_static(match signal {
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        });
        let answer = runtime.block_on(async {
            client.ready().await.map_err(|error| Status::from_error(error.into()))?;
            client.unary(request, path, AsItIs).await
        });
        match answer {
            Ok(_) => Ended::Taken,
            Err(status) => ended(&status, *is_encrypted),
        }
    }
}

fn encrypted(target: &Target) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new();
    config = match &target.trust.authorities {
        Some(text) => config.ca_certificate(Certificate::from_pem(text)),
        None => config.with_native_roots(),
    };
    match &target.trust.identity {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        None => config,
    }
}

fn metadata(target: &Target) -> Result<MetadataMap, Refused> {
    let mut metadata = MetadataMap::new();
    for (name, value) in &target.headers {
        let unfit = || Refused::Header(name.clone());
        let key = name.to_lowercase().parse::<MetadataKey<Ascii>>().map_err(|_| unfit())?;
        metadata.insert(key, value.parse().map_err(|_| unfit())?);
    }
    Ok(metadata)
}

/// OTLP, "Failures": which may be sent again.
fn ended(status: &Status, is_encrypted: bool) -> Ended {
    // No answer, whatever its code is: what the receiver says comes from nothing else.
    if let Some(trouble) = status.source() {
        return Ended::Later(tls::told(trouble, is_encrypted), None);
    }
    let after = retry_after(status.details());
    let why = match status.message() {
        "" => format!("it answers {:?}", status.code()),
        message => format!("it answers {:?}: {message}", status.code()),
    };
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Ended::Later(why, after),
        // Only a receiver that says when will have room again.
        Code::ResourceExhausted if after.is_some() => Ended::Later(why, after),
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => Ended::Refused(why),
    }
}

/// `google.rpc.RetryInfo` among the details of a `google.rpc.Status`.
fn retry_after(details: &[u8]) -> Option<Duration> {
    #[derive(Message)]
    struct Details {
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }
    #[derive(Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }
    #[derive(Message)]
    struct RetryInfo {
        #[prost(message, tag = "1")]
        delay: Option<Delay>,
    }
    #[derive(Message)]
    struct Delay {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }
    let details = Details::decode(details).ok()?.details;
    let info = details.iter().find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let Delay { seconds, nanos } = RetryInfo::decode(&*info.value).ok()?.delay?;
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?.min(999_999_999)))
}

/// Messages are encoded already, and of an answer only matters that it came.
struct AsItIs;

impl Codec for AsItIs {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsItIs {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for AsItIs {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        use prost::bytes::Buf;
        from.advance(from.remaining());
        Ok(Some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Ended, Status};
    use std::time::Duration;

    fn ended(status: &Status) -> Ended {
        super::ended(status, false)
    }

    /// `Status { details: [Any(RetryInfo { 1.5 s })] }`, as protobuf's own encoder writes it.
    fn retry_info() -> Vec<u8> {
        let url = b"type.googleapis.com/google.rpc.RetryInfo";
        let info = [0x0a, 0x08, 0x08, 0x01, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];
        let mut any = vec![0x0a, url.len() as u8];
        any.extend(url);
        any.extend([0x12, info.len() as u8]);
        any.extend(info);
        let mut status = vec![0x1a, any.len() as u8];
        status.extend(any);
        status
    }

    #[test]
    fn a_receiver_may_say_when_it_has_room() {
        let busy = Status::with_details(Code::ResourceExhausted, "busy", retry_info().into());
        assert!(matches!(ended(&busy), Ended::Later(_, Some(after)) if after == Duration::from_millis(1500)));
        let full = Status::resource_exhausted("for good");
        assert!(matches!(ended(&full), Ended::Refused(_)));
        assert!(
            matches!(ended(&Status::unavailable("")), Ended::Later(why, None) if why == "it answers Unavailable")
        );
        assert!(matches!(ended(&Status::unauthenticated("who?")), Ended::Refused(_)));
    }
}
