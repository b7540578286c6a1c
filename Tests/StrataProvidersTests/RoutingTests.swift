import StrataCore
import StrataProviders
import Testing

@Suite("Routing and circuit")
struct RoutingTests {
  private func facts(
    _ change: (inout RoutingPolicy.Facts) -> Void = { _ in }
  ) -> RoutingPolicy.Facts {
    var facts = RoutingPolicy.Facts(
      isLocalOnly: false, tokens: 100, localContext: 4096, localQueue: 0, isRemoteAvailable: true,
      remoteContext: 128_000)
    change(&facts)
    return facts
  }

  @Test("local first; a long queue or context goes elsewhere")
  func routes() {
    let policy = RoutingPolicy(queueLimit: 2, tokenLimit: 2000)
    #expect(policy.route(facts()).route == .local)
    #expect(policy.route(facts { $0.localQueue = 3 }) == (.remote, "queue"))
    #expect(policy.route(facts { $0.tokens = 2001 }) == (.remote, "context"))
    #expect(policy.route(facts { $0.tokens = 200_000 }) == (.local, "remote_context"))
    #expect(
      policy.route(
        facts {
          $0.localQueue = 3; $0.isRemoteAvailable = false
        }
      ).route == .local)
  }

  @Test("nothing that must stay leaves, whatever else holds")
  func localOnly() {
    for queueLimit in [0, 1, 100] {
      for tokens in [1, 4096, 1_000_000] {
        for queue in [0, 1, 1000] {
          for isAvailable in [true, false] {
            let route = RoutingPolicy(queueLimit: queueLimit, tokenLimit: 1).route(
              facts {
                $0.isLocalOnly = true
                $0.tokens = tokens
                $0.localQueue = queue
                $0.isRemoteAvailable = isAvailable
              })
            #expect(route.route == .local)
          }
        }
      }
    }
  }

  @Test("the circuit opens after failures in a row, lets one probe through, and stays open longer each time")
  func circuit() {
    var breaker = CircuitBreaker(threshold: 3, pause: .seconds(10))
    for second in 0..<3 {
      #expect(breaker.admit(at: .seconds(second)) == nil)
      breaker.failed(at: .seconds(second))
    }
    #expect(breaker.admit(at: .seconds(5)) == .seconds(7))
    #expect(breaker.admit(at: .seconds(12)) == nil)
    #expect(breaker.admit(at: .seconds(12)) != nil)
    breaker.failed(at: .seconds(13))
    #expect(breaker.admit(at: .seconds(30)) == .seconds(3))
    #expect(breaker.admit(at: .seconds(33)) == nil)
    breaker.succeeded()
    #expect(breaker.state == .closed && breaker.admit(at: .seconds(34)) == nil)
    breaker.failed(at: .seconds(34))
    #expect(breaker.admit(at: .seconds(35)) == nil)
  }

  @Test("a probe whose caller left does not close the circuit for good")
  func abandonedProbe() {
    var breaker = CircuitBreaker(threshold: 1, pause: .seconds(1))
    breaker.failed(at: .zero)
    #expect(breaker.admit(at: .seconds(1)) == nil)
    breaker.abandoned(at: .seconds(2))
    #expect(breaker.admit(at: .seconds(2)) == nil)
  }

  @Test("a key never travels unencrypted to another machine, and nonsense is no address")
  func endpoints() {
    #expect(throws: ProviderError.self) {
      try RemoteEndpoint(dialect: .openAI, baseURL: "http://example.com/v1", model: "m", apiKey: "k")
    }
    for url in ["", "ftp://x/v1", "example.com", "http://", "https:///v1"] {
      #expect(throws: ProviderError.self) { try RemoteEndpoint(dialect: .openAI, baseURL: url, model: "m") }
    }
    #expect(throws: Never.self) {
      try RemoteEndpoint(dialect: .openAI, baseURL: "http://127.0.0.1:1/v1/", model: "m", apiKey: "k")
    }
  }
}
