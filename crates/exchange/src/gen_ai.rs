use std::time::Duration;

/// A call of a generative model, by the names of OpenTelemetry (`gen_ai.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenAi {
    /// `gen_ai.operation.name`.
    pub operation: GenAiOperation,
    /// `gen_ai.provider.name`: whose interface is spoken, or whose host it is.
    pub provider: &'static str,
    /// `gen_ai.request.model`.
    pub request_model: Option<Box<str>>,
    /// `gen_ai.response.model`.
    pub response_model: Option<Box<str>>,
    /// `gen_ai.usage.input_tokens`, those that were cached among them.
    pub input_tokens: Option<u64>,
    /// `gen_ai.usage.output_tokens`.
    pub output_tokens: Option<u64>,
    /// `gen_ai.server.time_to_first_token`: from the last request byte to the first event with output in it; of answers
    /// that stream.
    pub time_to_first_token: Option<Duration>,
}

/// Well-known values of `gen_ai.operation.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the operations are their names")]
pub enum GenAiOperation {
    Chat,
    TextCompletion,
    Embeddings,
    GenerateContent,
}

impl GenAiOperation {
    /// As OpenTelemetry spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::TextCompletion => "text_completion",
            Self::Embeddings => "embeddings",
            Self::GenerateContent => "generate_content",
        }
    }
}
