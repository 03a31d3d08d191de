// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import Testing
import WireMessages

/// A change that breaks one rule, and the field that the error has to name.
struct Breach: Sendable, CustomTestStringConvertible {
    let kind: WireKind
    let field: String
    let change: @Sendable (inout WireEnvelope) -> Void

    init(_ kind: WireKind, _ field: String, _ change: @escaping @Sendable (inout WireEnvelope) -> Void) {
        (self.kind, self.field, self.change) = (kind, field, change)
    }

    var testDescription: String { "\(kind).\(field)" }
}

@Suite struct ValidationTests {
    @Test(arguments: Breach.sessions + Breach.grants + Breach.results + Breach.clients)
    func aBrokenRuleIsNamedOnBothSides(breach: Breach) throws {
        var envelope = WireEnvelope(Samples.payload(breach.kind), requestID: 4)
        breach.change(&envelope)
        let sending = try #require(throws: WireError.self) { try WireCodec.encode(envelope) }
        #expect(sending.code == .invalid)
        #expect(sending.description.hasPrefix("\(breach.kind.name): \(breach.field) "), "\(sending)")

        let side: WireSide = breach.kind.arrives(at: .coordinator) ? .coordinator : .peer
        let frames = [Data("PWD2".utf8), try envelope.serializedData() as Data]
        let receiving = try #require(throws: WireError.self) { try WireCodec.decode(frames, at: side) }
        #expect(receiving.description == sending.description)
        if breach.kind != .errorReply { #expect(receiving.requestID == 4) }
    }

    /// Kinds without a rule are these; every other one has at least one that is broken above.
    @Test func noKindIsForgotten() {
        let broken = Set((Breach.sessions + Breach.grants + Breach.results + Breach.clients).map(\.kind))
        #expect(Set(WireKind.allCases).subtracting(broken) == [.heartbeatReply, .joined])
    }

    /// What may be left out.
    @Test(arguments: [
        Breach(.hello, "a client's CPU") { ($0.hello.role, $0.hello.cpu, $0.hello.threads) = (.client, "", 0) },
        Breach(.hello, "the class") { $0.hello.numericsClass = "" },
        Breach(.welcome, "what came with protocol 2") { ($0.welcome.blobPort, $0.welcome.roles, $0.welcome.coordinatorRun) = (0, [], "") },
        Breach(.heartbeat, "leases") { $0.heartbeat.progress = [] },
        Breach(.trainGrant, "a first state") {
            $0.trainGrant.fromStep = 0
            $0.trainGrant.clearState()
        },
        Breach(.sliceGrant, "first vectors") { $0.sliceGrant.clearVectors() },
        Breach(.pieceGrant, "vectors of an encoding") {
            $0.pieceGrant.lease = Samples.lease(.encode, index: 1)
            $0.pieceGrant.clearVectors()
        },
        Breach(.briefReply, "files") {
            ($0.briefReply.manifestJson, $0.briefReply.shards, $0.briefReply.modelFolder, $0.briefReply.blobFolder) = ("", [], "", "")
        },
        Breach(.segmentResult, "evaluations and a best") {
            $0.segmentResult.evaluations = []
            $0.segmentResult.after.best = Data()
            $0.segmentResult.after.clearBestStep()
            $0.segmentResult.after.clearBestLoss()
        },
        Breach(.sliceResult, "the gradient of an evaluation") {
            $0.sliceResult.lease = Samples.lease(.evaluate, step: 10, index: 2)
            $0.sliceResult.gradient = Data()
        },
        Breach(.sliceResult, "initial vectors") { $0.sliceResult.clearInitial() },
        Breach(.cancelLease, "a reason") { $0.cancelLease.reason = "" },
        Breach(.submitStudy, "files") { ($0.submitStudy.manifestJson, $0.submitStudy.sourcePath) = ("", "") },
        Breach(.submitReply, "a name, when blobs are missing") { ($0.submitReply.studyID, $0.submitReply.name) = ("", "") },
        Breach(.command, "a trial") { $0.command.clearTrial() },
        Breach(.logRequest, "a target") { $0.logRequest.target = "" },
        Breach(.keysRequest, "a key") { ($0.keysRequest.action, $0.keysRequest.key, $0.keysRequest.name) = (.show, "", "") },
        Breach(.statusRequest, "a study") { $0.statusRequest.clearStudy() },
        Breach(.statusReply, "studies and workers") { ($0.statusReply.studies, $0.statusReply.workers) = ([], []) },
    ])
    func optionalThingsMayBeLeftOut(left: Breach) throws {
        var envelope = WireEnvelope(Samples.payload(left.kind), requestID: 4)
        left.change(&envelope)
        let side: WireSide = left.kind.arrives(at: .coordinator) ? .coordinator : .peer
        #expect(try WireCodec.decode(try WireCodec.encode(envelope), at: side) == envelope)
    }

    /// Its other fields may mean something else: it is only read to be refused.
    @Test func ofAHelloOfAnotherMajorOnlyTheVersionIsLookedAt() throws {
        let envelope = WireEnvelope(.hello(.with { $0.protocolMajor = 1 }), requestID: 4)
        #expect(throws: Never.self) { try envelope.validate() }
    }

    @Test(arguments: [
        ("plain", "plain"), ("two\nlines\t\u{1B}[31mred", "two lines  [31mred"), ("caf\u{E9} \u{1F44D}", "caf\u{E9} \u{1F44D}"),
        ("a\u{202E}b\u{2028}c", "a b c"), ("", ""),
    ])
    func anyTextBecomesOneLine(text: String, line: String) {
        #expect(WireText.clipped(text) == line)
    }

    @Test func longTextIsCutAtACharacter() {
        let line = WireText.clipped(String(repeating: "\u{20AC}", count: 5000))
        #expect(line.utf8.count <= WireLimits.lineBytes)
        #expect(line.hasSuffix("\u{20AC}..."))
        #expect(WireText.clipped("0123456789", limit: 10) == "0123456789")
        #expect(WireText.clipped("0123456789a", limit: 10) == "0123456...")
    }
}
