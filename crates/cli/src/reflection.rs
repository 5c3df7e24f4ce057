//! What servers say of their own messages, when somebody asks them by gRPC server reflection.

use overhear_exchange::Http;
use overhear_export::proto::Descriptors;
use overhear_protocol::rpc;

/// Messages and methods that are remembered: anybody can answer by that name.
const MOST: usize = 100_000;

/// Learns the descriptors that an exchange carries, if it is one of reflection. `response`: its body, where that had to be
/// decoded.
pub(crate) fn learn(descriptors: &mut Descriptors, http: &Http, response: Option<&[u8]>) {
    let is_reflection = http.call.as_ref().is_some_and(|call| {
        let service = call.name.strip_suffix(".ServerReflection/ServerReflectionInfo");
        matches!(service, Some("grpc.reflection.v1" | "grpc.reflection.v1alpha"))
    });
    if is_reflection && descriptors.len() < MOST {
        let body = response.unwrap_or_else(|| http.response_body.captured.expose());
        rpc::messages_of(body).for_each(|message| descriptors.add_reflected(message));
    }
}
