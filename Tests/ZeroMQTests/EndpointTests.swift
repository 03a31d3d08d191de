// SPDX-License-Identifier: Apache-2.0
import Testing
import ZeroMQ

@Suite struct EndpointTests {
    @Test(
        arguments: [
            ("tcp://127.0.0.1:7400", "127.0.0.1", 7400, "tcp://127.0.0.1:7400"),
            ("tcp://127.0.0.1:*", "127.0.0.1", 0, "tcp://127.0.0.1:*"),
            ("tcp://127.0.0.1:0", "127.0.0.1", 0, "tcp://127.0.0.1:*"),
            ("tcp://*:65535", "*", 65535, "tcp://*:65535"),
            ("tcp://box-3.example.org:1", "box-3.example.org", 1, "tcp://box-3.example.org:1"),
            ("tcp://[::1]:7400", "::1", 7400, "tcp://[::1]:7400"),
            ("tcp://[fe80::1%eth0]:7400", "fe80::1%eth0", 7400, "tcp://[fe80::1%eth0]:7400"),
        ] as [(String, String, UInt16, String)])
    func readsAddresses(text: String, host: String, port: UInt16, shown: String) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        #expect(endpoint.description == shown)
        #expect(try Endpoint(host: host, port: port) == endpoint)
    }

    @Test(arguments: [
        "", "7400", "127.0.0.1:7400", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:7x", "tcp://127.0.0.1:+1", "tcp://:7400", "tcp://::1:7400", "tcp://[::1]", "tcp://[::g]:1", "tcp://[]:1",
        "tcp://[::1:1", "tcp://300.1.1.1:1", "tcp://1.2.3:1", "tcp://a b:1", "tcp://a;b:1", "tcp://-a:1", "ipc:///x", "inproc://x",
        "http://a:1", "tcp://a\n:1", "tcp://\u{FF11}:1", "tcp://a:\u{0661}", "tcp://a\u{1B}[2J:1",
        "tcp://" + String(repeating: "a", count: 400) + ":1",
    ])
    func refusesWhatIsNotAnAddressInOneLine(text: String) throws {
        let error = try #require(throws: SocketError.self) { try Endpoint(text) }
        #expect(error.code == .invalidEndpoint)
        #expect(error.description.allSatisfy { $0.isASCII && !$0.isNewline && $0 != "\u{1B}" })
        #expect(error.description.contains("write tcp://HOST:PORT"))
        #expect(error.description.utf8.count < 250)
    }

    @Test(arguments: [
        ("localhost", true), ("box-3.example.org", true), ("7400.example", true), ("127.0.0.1", false), ("10.0.0.1", false), ("::1", false),
        ("fe80::1%eth0", false), ("*", false),
    ])
    func knowsANameFromAnAddress(host: String, isName: Bool) throws {
        #expect(try Endpoint(host: host, port: 7400).isHostName == isName)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.8.9.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("localhost", true), ("LocalHost", true),
        ("*", false), ("0.0.0.0", false), ("::", false), ("10.0.0.1", false), ("128.0.0.1", false), ("::2", false), ("1::1", false),
        ("::ffff:10.0.0.1", false), ("localhost.example.org", false), ("127.example.org", false),
    ])
    func knowsWhatStaysOnThisMachine(host: String, isLoopback: Bool) throws {
        #expect(try Endpoint(host: host, port: 7400).isLoopback == isLoopback)
    }
}
