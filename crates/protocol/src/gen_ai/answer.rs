//! What answers say: whole ones, and the events of those that stream.

use super::dialect::Dialect;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What is known of an answer so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) model: Option<Box<str>>,
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    /// There is something of what was generated in it.
    pub(super) has_output: bool,
}

impl Answer {
    /// Reads a body or an event; nothing of what is not JSON.
    pub(super) fn read(dialect: Dialect, text: &[u8]) -> Self {
        let Ok(parts) = serde_json::from_slice::<Parts<'_>>(text) else { return Self::default() };
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::OpenAiEmbeddings => open_ai(&parts),
            Dialect::OpenAiResponses => responses(&parts),
            Dialect::Anthropic => anthropic(&parts),
            Dialect::Gemini | Dialect::GeminiEmbeddings => gemini(&parts),
            Dialect::OllamaChat | Dialect::OllamaGenerate | Dialect::OllamaEmbeddings => ollama(&parts),
            Dialect::LlamaCpp => llama_cpp(&parts),
        }
    }

    /// Adds a later part: counts go on from the beginning of the answer, so that the last one holds.
    pub(super) fn go_on(&mut self, later: Self) {
        self.model = self.model.take().or(later.model);
        self.input = later.input.or(self.input);
        self.output = later.output.or(self.output);
        self.has_output |= later.has_output;
    }

    /// It says what only the answer of a model says.
    pub(super) const fn is_telling(&self) -> bool {
        self.model.is_some() && (self.has_output || self.input.is_some() || self.output.is_some())
    }
}

/// The members of all dialects, each read when it is needed, so that an odd one spoils no other.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow, rename = "modelVersion")]
    model_version: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, rename = "usageMetadata")]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(borrow)]
    candidates: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_eval_count: Option<&'a RawValue>,
    #[serde(borrow)]
    eval_count: Option<&'a RawValue>,
    #[serde(borrow)]
    tokens_evaluated: Option<&'a RawValue>,
    #[serde(borrow)]
    tokens_predicted: Option<&'a RawValue>,
}

fn get<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

fn number(raw: Option<&RawValue>) -> Option<u64> {
    get(raw)
}

fn name(raw: Option<&RawValue>) -> Option<Box<str>> {
    get::<String>(raw).map(Into::into)
}

/// Neither missing nor null nor without anything in it.
fn holds(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]" | "{}"))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Output<'a>>,
    #[serde(borrow)]
    message: Option<Output<'a>>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

impl Output<'_> {
    fn says_something(&self) -> bool {
        let all = [
            self.content,
            self.reasoning_content,
            self.reasoning,
            self.thinking,
            self.refusal,
            self.tool_calls,
            self.function_call,
        ];
        all.into_iter().any(holds)
    }
}

/// Chat Completions, Completions and Embeddings: chunks are like answers, with `delta` for `message`, and the usage is in
/// the last one where it was asked for.
fn open_ai(parts: &Parts<'_>) -> Answer {
    let usage: Usage = get(parts.usage).unwrap_or_default();
    let choices: Vec<Choice<'_>> = get(parts.choices).unwrap_or_default();
    let says = |output: &Option<Output<'_>>| output.as_ref().is_some_and(Output::says_something);
    Answer {
        model: name(parts.model),
        input: usage.prompt_tokens.or(usage.input_tokens),
        output: usage.completion_tokens.or(usage.output_tokens),
        has_output: choices.iter().any(|c| says(&c.delta) || says(&c.message) || holds(c.text)),
    }
}

/// Responses: the whole one is a member of the events that begin and end it; what is generated comes in `*.delta`.
fn responses(parts: &Parts<'_>) -> Answer {
    let kind: String = get(parts.kind).unwrap_or_default();
    let whole: Parts<'_> = get(parts.response).unwrap_or_default();
    let usage: Usage = get(parts.usage.or(whole.usage)).unwrap_or_default();
    Answer {
        model: name(parts.model.or(whole.model)),
        input: usage.input_tokens,
        output: usage.output_tokens,
        has_output: kind.ends_with(".delta") || holds(parts.output),
    }
}

/// Messages: `message_start` has the model and the input, each `message_delta` the output so far. Tokens that were cached
/// are counted apart and belong to the input (OpenTelemetry, GenAI, Anthropic).
fn anthropic(parts: &Parts<'_>) -> Answer {
    let kind: String = get(parts.kind).unwrap_or_default();
    let start: Parts<'_> = get(parts.message).unwrap_or_default();
    let usage: Usage = get(parts.usage.or(start.usage)).unwrap_or_default();
    let cached = [usage.cache_creation_input_tokens, usage.cache_read_input_tokens];
    let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
    Answer {
        model: name(parts.model.or(start.model)),
        input: usage.input_tokens.map(|tokens| tokens.saturating_add(cached)),
        output: usage.output_tokens,
        has_output: kind == "content_block_delta" || (kind == "message" && holds(parts.content)),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GeminiUsage {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

/// Gemini: every chunk is an answer of its own, with the counts so far.
fn gemini(parts: &Parts<'_>) -> Answer {
    let usage: GeminiUsage = get(parts.usage_metadata).unwrap_or_default();
    let thoughts = usage.thoughts_token_count;
    let output =
        usage.candidates_token_count.map(|all| all.saturating_add(thoughts.unwrap_or(0))).or(thoughts);
    Answer {
        model: name(parts.model_version),
        input: usage.prompt_token_count,
        output,
        has_output: holds(parts.candidates),
    }
}

/// Ollama: lines with a piece each, the last with the counts.
fn ollama(parts: &Parts<'_>) -> Answer {
    let message: Output<'_> = get(parts.message).unwrap_or_default();
    Answer {
        model: name(parts.model),
        input: number(parts.prompt_eval_count),
        output: number(parts.eval_count),
        has_output: message.says_something() || holds(parts.response),
    }
}

fn llama_cpp(parts: &Parts<'_>) -> Answer {
    Answer {
        model: name(parts.model),
        input: number(parts.tokens_evaluated),
        output: number(parts.tokens_predicted),
        has_output: holds(parts.content),
    }
}
