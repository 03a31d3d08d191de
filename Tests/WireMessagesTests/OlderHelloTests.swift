// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import Testing

@testable import WireMessages

/// What becomes of a hello that is not taken.
@Suite struct OlderHelloTests {
    private func frames(_ magic: String = "PWD1", _ change: (inout WireEnvelope) -> Void = { _ in }) throws -> [Data] {
        var envelope = WireEnvelope(.hello(.with { ($0.protocolMajor, $0.name, $0.host) = (1, "box/7", "box") }), requestID: 3)
        envelope.protocolMajor = 1
        change(&envelope)
        return [Data(magic.utf8), try envelope.serializedData()]
    }

    @Test func aProgramOfProtocol1IsToldSoInItsOwnForm() throws {
        let hello = try #require(OlderHello(try frames()))
        #expect(hello.name == "box/7" && hello.host == "box" && hello.requestID == 3)
        #expect(hello.denied.code == .version && hello.denied.reason.hasPrefix("protocol 1 is not spoken here, only 2."))
        let answer = try OlderHello.frames(WireEnvelope(.denied(hello.denied), requestID: hello.requestID))
        #expect(answer.count == 2 && answer[0] == Data("PWD1".utf8))
        // The envelope is the same in both.
        let envelope = try WireCodec.decode([Data(WireLimits.magic), answer[1]], at: .peer)
        #expect(envelope.requestID == 3 && envelope.denied == hello.denied)
    }

    @Test func whatItCallsItselfIsOneShortLine() throws {
        let nasty = try frames { $0.hello.name = "a\u{1B}[2J\n" + String(repeating: "x", count: 9000) }
        let hello = try #require(OlderHello(nasty))
        #expect(hello.name.utf8.count <= WireLimits.nameBytes && !hello.name.contains("\u{1B}") && !hello.name.contains("\n"))
        #expect(try OlderHello(frames { $0.hello.name = "" })?.name == "?")
    }

    @Test func anythingElseIsNone() throws {
        #expect(OlderHello(try frames("PWD2")) == nil)
        #expect(OlderHello(try frames("PWD3")) == nil)
        #expect(OlderHello(try frames { $0.payload = .heartbeatReply(WireHeartbeatReply()) }) == nil)
        #expect(OlderHello(try frames { $0.hello.name = String(repeating: "x", count: 30_000) }) == nil)
        let good = try frames()
        for bad in [[], [good[0]], [good[1], good[0]], good + [Data()], [good[0], Data([0xFF])], [good[0], good[1].dropLast()]] {
            #expect(OlderHello(bad) == nil)
        }
    }

    @Test func aHelloThatBreaksARuleIsDenied() throws {
        let bad = try frames("PWD2") { envelope in
            envelope = WireEnvelope(Samples.payload(.hello), requestID: 9)
            envelope.hello.workerID = "box"
        }
        let error = try #require(throws: WireError.self) { try WireCodec.decode(bad, at: .coordinator) }
        #expect(error.isOfHello && error.code == .invalid)
        let reply = try #require(error.reply)
        #expect(reply.requestID == 9 && reply.denied.code == .invalid && reply.denied.reason.contains("worker_id"))
        #expect(throws: Never.self) { try WireCodec.encode(reply) }
    }
}
