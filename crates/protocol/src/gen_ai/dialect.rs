use super::member;
use overhear_exchange::{GenAiOperation, Method};

/// Whose interface is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAI, Chat Completions; many others speak it too.
    OpenAiChat,
    /// OpenAI, Completions.
    OpenAiCompletions,
    /// OpenAI, Responses.
    OpenAiResponses,
    /// OpenAI, Embeddings.
    OpenAiEmbeddings,
    /// Anthropic, Messages.
    Anthropic,
    /// Gemini, `generateContent` and `streamGenerateContent`.
    Gemini,
    /// Gemini, `embedContent`, `batchEmbedContents`.
    GeminiEmbeddings,
    /// Ollama, `/api/chat`.
    OllamaChat,
    /// Ollama, `/api/generate`.
    OllamaGenerate,
    /// Ollama, `/api/embed`.
    OllamaEmbeddings,
    /// llama.cpp, `/completion`.
    LlamaCpp,
}

/// The end of a path, and whose it is.
const BY_PATH: [(&str, Dialect); 12] = [
    ("/chat/completions", Dialect::OpenAiChat),
    ("/v1/completions", Dialect::OpenAiCompletions),
    ("/v1/responses", Dialect::OpenAiResponses),
    ("/openai/responses", Dialect::OpenAiResponses),
    ("/v1/embeddings", Dialect::OpenAiEmbeddings),
    ("/embeddings", Dialect::OpenAiEmbeddings),
    ("/v1/messages", Dialect::Anthropic),
    ("/api/chat", Dialect::OllamaChat),
    ("/api/generate", Dialect::OllamaGenerate),
    ("/api/embed", Dialect::OllamaEmbeddings),
    ("/api/embeddings", Dialect::OllamaEmbeddings),
    ("/completion", Dialect::LlamaCpp),
];

/// The end of a host's name, and who that is (well-known values of `gen_ai.provider.name`).
const BY_HOST: [(&str, &str); 12] = [
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.inference"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cohere.com", "cohere"),
];

impl Dialect {
    /// The interface that a request of this path speaks, if it speaks one.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        if *method != Method::Post {
            return None;
        }
        if let Some((_, action)) = path.rsplit_once("/models/").and_then(|(_, end)| end.rsplit_once(':')) {
            return match action {
                "generateContent" | "streamGenerateContent" => Some(Self::Gemini),
                "embedContent" | "batchEmbedContents" => Some(Self::GeminiEmbeddings),
                _ => None,
            };
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        BY_PATH.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, dialect)| dialect)
    }

    pub(super) const fn operation(self) -> GenAiOperation {
        match self {
            Self::OpenAiChat | Self::OpenAiResponses | Self::Anthropic | Self::OllamaChat => {
                GenAiOperation::Chat
            }
            Self::OpenAiCompletions | Self::OllamaGenerate | Self::LlamaCpp => GenAiOperation::TextCompletion,
            Self::OpenAiEmbeddings | Self::GeminiEmbeddings | Self::OllamaEmbeddings => {
                GenAiOperation::Embeddings
            }
            Self::Gemini => GenAiOperation::GenerateContent,
        }
    }

    /// Who answers there, by the name of the host; else whose interface it is.
    pub(super) fn provider(self, authority: &str) -> &'static str {
        let host = overhear_exchange::Authority::parse(authority).host.to_ascii_lowercase();
        let known = BY_HOST.into_iter().find(|(end, _)| host.ends_with(end));
        known.map_or(self.own_provider(), |(_, provider)| provider)
    }

    const fn own_provider(self) -> &'static str {
        match self {
            Self::OpenAiChat | Self::OpenAiCompletions | Self::OpenAiResponses | Self::OpenAiEmbeddings => {
                "openai"
            }
            Self::Anthropic => "anthropic",
            Self::Gemini | Self::GeminiEmbeddings => "gcp.gemini",
            Self::OllamaChat | Self::OllamaGenerate | Self::OllamaEmbeddings => "ollama",
            Self::LlamaCpp => "llama_cpp",
        }
    }

    /// Whether this is a request of that interface: it has the members that one cannot be without.
    pub(super) fn is_asked_by(self, request: &[u8]) -> bool {
        let has = |name: &str| member::of(request, name).is_some();
        match self {
            Self::OpenAiChat => has("messages"),
            Self::OllamaChat => has("model") && has("messages"),
            Self::Anthropic => has("messages") && has("max_tokens"),
            Self::OpenAiCompletions | Self::OllamaGenerate => has("model") && has("prompt"),
            Self::OpenAiResponses | Self::OpenAiEmbeddings => has("model") && has("input"),
            Self::OllamaEmbeddings => has("model"),
            Self::Gemini => has("contents"),
            Self::GeminiEmbeddings => has("content") || has("requests"),
            Self::LlamaCpp => has("prompt") && has("n_predict"),
        }
    }
}

/// The model that a path names: of Gemini, and of deployments on Azure.
pub(super) fn model_in(path: &str) -> Option<&str> {
    let (_, end) = path.rsplit_once("/models/").or_else(|| path.rsplit_once("/deployments/"))?;
    end.split([':', '/']).next().filter(|name| !name.is_empty())
}
