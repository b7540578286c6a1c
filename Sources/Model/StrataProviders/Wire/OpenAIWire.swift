// Owns the OpenAI chat and completion protocol, as vLLM, SGLang, Ollama, llama-server and Strata speak it too.
import StrataCore

struct OpenAIWire: RemoteWire {
  private let isChat: Bool
  private var calls: [Int: PartialCall] = [:]
  private var reason: FinishReason?
  private var usage: Usage?
  private var isDone = false

  init(_ request: GenerationRequest) {
    isChat = if case .messages = request.input { true } else { false }
  }

  static func request(_ request: GenerationRequest, to endpoint: RemoteEndpoint) throws(ProviderError) -> RemoteRequest
  {
    var body: JSONObject = ["model": .string(request.adapter.map { "\(endpoint.model):\($0)" } ?? endpoint.model)]
    var path = "/chat/completions"
    switch request.input {
    case .prompt(let text):
      path = "/completions"
      body["prompt"] = .string(text)
    case .messages(let messages): body["messages"] = .array(messages.map(message))
    }
    body["stream"] = true
    body["stream_options"] = ["include_usage": true]
    body["max_tokens"] = request.maxTokens.map(JSON.int)
    body["stop"] = request.stop.isEmpty ? nil : .array(request.stop.map(JSON.string))
    sampling(request.sampling, into: &body)
    if let top = request.topLogprobs {
      if path == "/completions" {
        body["logprobs"] = .int(top)
      } else {
        body["logprobs"] = true
        body["top_logprobs"] = .int(top)
      }
    }
    if !request.tools.isEmpty {
      body["tools"] = .array(
        request.tools.map { tool in
          let function: JSON = [
            "name": .string(tool.name), "description": .string(tool.description), "parameters": tool.parameters,
          ]
          return ["type": "function", "function": function]
        })
      body["tool_choice"] =
        switch request.toolChoice {
        case .none: "none"
        case .auto: "auto"
        case .required: "required"
        case .function(let name): ["type": "function", "function": ["name": .string(name)]]
        }
      if !request.parallelToolCalls { body["parallel_tool_calls"] = false }
    }
    switch request.output {
    case .text: break
    case .jsonObject: body["response_format"] = ["type": "json_object"]
    case .jsonSchema(let schema):
      body["response_format"] = [
        "type": "json_schema", "json_schema": ["name": "output", "schema": schema, "strict": true],
      ]
    }
    var headers = [("Content-Type", "application/json"), ("Accept", "text/event-stream")]
    if let key = endpoint.apiKey { headers.append(("Authorization", "Bearer \(key)")) }
    return RemoteRequest(url: endpoint.baseURL + path, headers: headers, body: Array(JSON.object(body).text().utf8))
  }

  /// Only what differs from the protocol's own default is said: servers refuse what they do not know.
  private static func sampling(_ sampling: SamplingParameters, into body: inout JSONObject) {
    body["temperature"] = .double(Double(sampling.temperature))
    if sampling.topP < 1 { body["top_p"] = .double(Double(sampling.topP)) }
    if sampling.topK > 0 { body["top_k"] = .int(sampling.topK) }
    if sampling.minP > 0 { body["min_p"] = .double(Double(sampling.minP)) }
    if sampling.repetitionPenalty != 1 { body["repetition_penalty"] = .double(Double(sampling.repetitionPenalty)) }
    if sampling.frequencyPenalty != 0 { body["frequency_penalty"] = .double(Double(sampling.frequencyPenalty)) }
    if sampling.presencePenalty != 0 { body["presence_penalty"] = .double(Double(sampling.presencePenalty)) }
    if let seed = sampling.seed { body["seed"] = .int(Int(clamping: seed)) }
    if !sampling.logitBias.isEmpty {
      body["logit_bias"] = .object(
        JSONObject(sampling.logitBias.sorted { $0.key < $1.key }.map { ("\($0.key)", .double(Double($0.value))) }))
    }
  }

  private static func message(_ message: Message) -> JSON {
    var object: JSONObject = ["role": .string(message.role.rawValue), "content": .string(message.content)]
    object["name"] = message.name.map(JSON.string)
    object["tool_call_id"] = message.toolCallID.map(JSON.string)
    if !message.toolCalls.isEmpty {
      object["tool_calls"] = .array(
        message.toolCalls.map { call in
          let function: JSON = ["name": .string(call.name), "arguments": .string(call.arguments.text())]
          return ["id": .string(call.id), "type": "function", "function": function]
        })
    }
    return .object(object)
  }

  mutating func push(_ event: ServerSentEvents.Event) throws(ProviderError) -> [GenerationEvent] {
    guard event.data != "[DONE]" else {
      isDone = true
      return []
    }
    let value = try parsed(event.data)
    if let message = Self.message(of: value) {
      throw ProviderError(ProviderError.failed, "The server says: \(message)")
    }
    if let counts = value["usage"], counts.objectValue != nil {
      usage = Usage(
        promptTokens: counts["prompt_tokens"]?.intValue ?? 0,
        completionTokens: counts["completion_tokens"]?.intValue ?? 0,
        cachedTokens: counts["prompt_tokens_details"]?["cached_tokens"]?.intValue ?? 0)
    }
    guard let choice = value["choices"]?[0] else { return [] }
    var events: [GenerationEvent] = []
    let text = isChat ? choice["delta"]?["content"]?.stringValue : choice["text"]?.stringValue
    let logprobs = Self.logprobs(choice["logprobs"])
    if let text, !text.isEmpty || !logprobs.isEmpty { events.append(.text(text, logprobs: logprobs)) }
    for piece in choice["delta"]?["tool_calls"]?.arrayValue ?? [] {
      guard let index = piece["index"]?.intValue ?? (calls.isEmpty ? 0 : nil), (0..<256).contains(index) else {
        throw ProviderError(ProviderError.malformed, "The server sent a piece of a tool call without its number.")
      }
      var call = calls[index] ?? PartialCall()
      if let id = piece["id"]?.stringValue { call.id = id }
      if let name = piece["function"]?["name"]?.stringValue { call.name += name }
      if let arguments = piece["function"]?["arguments"]?.stringValue { call.arguments += arguments }
      calls[index] = call
    }
    switch choice["finish_reason"]?.stringValue {
    case "stop", "stop_sequence", "content_filter", "eos_token": reason = .stop
    case "length": reason = .length
    case "tool_calls", "function_call": reason = .toolCalls
    case nil: break
    default: reason = .stop
    }
    return events
  }

  private static func logprobs(_ value: JSON?) -> [TokenLogprob] {
    (value?["content"]?.arrayValue ?? []).compactMap { entry in
      guard let token = logprob(entry) else { return nil }
      var whole = token
      whole.alternatives = (entry["top_logprobs"]?.arrayValue ?? []).compactMap(logprob)
      return whole
    }
  }

  private static func logprob(_ value: JSON) -> TokenLogprob? {
    guard let token = value["token"]?.stringValue, let logprob = value["logprob"]?.doubleValue else { return nil }
    let bytes = value["bytes"]?.arrayValue?.compactMap { $0.intValue.flatMap(UInt8.init(exactly:)) }
    return TokenLogprob(token: token, bytes: bytes ?? Array(token.utf8), logprob: Float(logprob))
  }

  var isComplete: Bool { reason != nil }

  mutating func finish() throws(ProviderError) -> [GenerationEvent] {
    var events: [GenerationEvent] = []
    for (_, call) in calls.sorted(by: { $0.key < $1.key }) { events.append(.toolCall(try call.finished())) }
    let reason = calls.isEmpty ? reason ?? .stop : .toolCalls
    events.append(.finished(reason, usage ?? Usage(), GenerationTimings()))
    return events
  }

  static func message(of body: JSON) -> String? {
    guard let error = body["error"] else { return nil }
    return error["message"]?.stringValue ?? error.stringValue
  }
}
