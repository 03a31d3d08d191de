// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import Testing
import WireMessages

@Suite struct ValidationTests {
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

    static let nan = Data([0, 0, 0xC0, 0x7F])
    static let breaches: [Breach] = [
        Breach(.hello, "protocol_major") { $0.hello.protocolMajor = 0 },
        Breach(.hello, "role") { $0.hello.role = .unspecified },
        Breach(.hello, "role") { $0.hello.role = .UNRECOGNIZED(9) },
        Breach(.hello, "worker_id") { $0.hello.workerID = "box" },
        Breach(.hello, "worker_id") { $0.hello.workerID = Samples.uuid.uppercased() },
        Breach(.hello, "name") { $0.hello.name = "" },
        Breach(.hello, "name") { $0.hello.name = "a\u{1B}[2J" },
        Breach(.hello, "name") { $0.hello.name = "a\nb" },
        Breach(.hello, "name") { $0.hello.name = "a\u{202E}b" },
        Breach(.hello, "name") { $0.hello.name = String(repeating: "\u{E9}", count: 128) },
        Breach(.hello, "host") { $0.hello.host = "" },
        Breach(.hello, "cpu") { $0.hello.cpu = "" },
        Breach(.hello, "threads") { $0.hello.threads = 0 },
        Breach(.hello, "threads") { $0.hello.threads = 70_000 },
        Breach(.welcome, "version") { $0.welcome.clearVersion() },
        Breach(.welcome, "heartbeat_interval_ms") { $0.welcome.heartbeatIntervalMs = 0 },
        Breach(.welcome, "lease_timeout_ms") { $0.welcome.leaseTimeoutMs = 1000 },
        Breach(.welcome, "session") { $0.welcome.session = "" },
        Breach(.denied, "reason") { $0.denied.reason = "" },
        Breach(.heartbeat, "session") { $0.heartbeat.session = String(repeating: "a", count: 65) },
        Breach(.heartbeat, "lease_id") { $0.heartbeat.progress.leaseID = 0 },
        Breach(.heartbeat, "steps_per_second") { $0.heartbeat.progress.stepsPerSecond = -1 },
        Breach(.heartbeat, "loss") { $0.heartbeat.progress.loss = .nan },
        Breach(.heartbeat, "evaluation_loss") { $0.heartbeat.progress.evaluationLoss = .infinity },
        Breach(.grant, "lease_id") { $0.grant.leaseID = 0 },
        Breach(.grant, "attempt") { $0.grant.attempt = 0 },
        Breach(.grant, "study_json") { $0.grant.studyJson = "" },
        Breach(.grant, "to_step") { $0.grant.toStep = 10 },
        Breach(.grant, "state") { $0.grant.clearState() },
        Breach(.grant, "state.step") { $0.grant.state.step = 11 },
        Breach(.grant, "state.count") { $0.grant.state.count = 0 },
        Breach(.grant, "state.count") { $0.grant.state.count = 76 },
        Breach(.grant, "state.width") { $0.grant.state.width = 8193 },
        Breach(.grant, "state.width") { $0.grant.state.width = .max },
        Breach(.grant, "state.embedding") { $0.grant.state.width = 4 },
        Breach(.grant, "state.embedding") { $0.grant.state.embedding = Data() },
        Breach(.grant, "state.exp_avg") { $0.grant.state.expAvg.append(0) },
        Breach(.grant, "state.exp_avg_sq") { $0.grant.state.expAvgSq = nan + $0.grant.state.expAvgSq.dropFirst(4) },
        Breach(.grant, "state.initial") { $0.grant.state.initial = $0.grant.state.initial.dropLast(4) + nan },
        Breach(.grant, "state.best") { $0.grant.state.best = Data() },
        Breach(.grant, "state.best") { $0.grant.state.clearBestLoss() },
        Breach(.grant, "state.best_step") { $0.grant.state.bestStep = 11 },
        Breach(.grant, "state.best_loss") { $0.grant.state.bestLoss = .nan },
        Breach(.grant, "deadline_ms") { $0.grant.deadlineMs = 0 },
        Breach(.segmentResult, "after") { $0.segmentResult.clearAfter() },
        Breach(.segmentResult, "after.step") { $0.segmentResult.after.step = 11 },
        Breach(.segmentResult, "history") { $0.segmentResult.history[0].step = 10 },
        Breach(.segmentResult, "history") { $0.segmentResult.history[1].step = 11 },
        Breach(.segmentResult, "history") { $0.segmentResult.history[1].step = 13 },
        Breach(.segmentResult, "history.loss") { $0.segmentResult.history[1].loss = .nan },
        Breach(.segmentResult, "history.learning_rate") { $0.segmentResult.history[1].learningRate = .infinity },
        Breach(.segmentResult, "history.gradient_norm") { $0.segmentResult.history[1].gradientNorm = -0.5 },
        Breach(.segmentResult, "history.seconds") { $0.segmentResult.history[1].seconds = -1 },
        Breach(.segmentResult, "evaluations") { $0.segmentResult.evaluations[0].step = 9 },
        Breach(.segmentResult, "evaluations.loss") { $0.segmentResult.evaluations[0].loss = -.infinity },
        Breach(.segmentResult, "digest") { $0.segmentResult.digest.removeLast() },
        Breach(.segmentResult, "model_digest") { $0.segmentResult.modelDigest = Data() },
        Breach(.segmentResult, "data_digest") { $0.segmentResult.dataDigest.append(1) },
        Breach(.segmentResult, "cpu") { $0.segmentResult.cpu = "" },
        Breach(.segmentResult, "study_id") { $0.segmentResult.studyID = "" },
        Breach(.resultAck, "verdict") { $0.resultAck.verdict = .unspecified },
        Breach(.leaseFailed, "kind") { $0.leaseFailed.kind = .UNRECOGNIZED(77) },
        Breach(.leaseFailed, "message") { $0.leaseFailed.message = "a\rb" },
        Breach(.failureAck, "attempt") { $0.failureAck.attempt = 0 },
        Breach(.cancelLease, "lease_id") { $0.cancelLease.leaseID = 0 },
        Breach(.submitStudy, "yaml") { $0.submitStudy.yaml = "" },
        Breach(.submitStudy, "yaml") { $0.submitStudy.yaml = String(repeating: "a", count: 1 << 20 | 1) },
        Breach(.submitStudy, "base_folder") { $0.submitStudy.baseFolder = "" },
        Breach(.submitReply, "outcome") { $0.submitReply.outcome = .unspecified },
        Breach(.submitReply, "study_id") { $0.submitReply.studyID = "" },
        Breach(.submitReply, "message") { $0.submitReply.outcome = .refused },
        Breach(.statusRequest, "study") { $0.statusRequest.study = "" },
        Breach(.statusReply, "coordinator") { $0.statusReply.clearCoordinator() },
        Breach(.statusReply, "studies.state") { $0.statusReply.studies[0].state = .unspecified },
        Breach(.statusReply, "trials.state") { $0.statusReply.studies[0].trials[0].state = .UNRECOGNIZED(50) },
        Breach(.statusReply, "trials.loss") { $0.statusReply.studies[0].trials[0].loss = .nan },
        Breach(.statusReply, "trials.eta_seconds") { $0.statusReply.studies[0].trials[0].etaSeconds = .infinity },
        Breach(.statusReply, "workers.worker_id") { $0.statusReply.workers[0].workerID = "x" },
        Breach(.cancelStudy, "name") { $0.cancelStudy.name = "" },
        Breach(.cancelReply, "outcome") { $0.cancelReply.outcome = .unspecified },
        Breach(.errorReply, "code") { $0.errorReply.code = .unspecified },
    ]

    @Test(arguments: breaches)
    func aBrokenRuleIsNamedOnBothSides(breach: Breach) throws {
        var envelope = WireEnvelope(Samples.payload(breach.kind), requestID: 4)
        breach.change(&envelope)
        let sending = try #require(throws: WireError.self) { try WireCodec.encode(envelope) }
        #expect(sending.code == .invalid)
        #expect(sending.description.hasPrefix("\(breach.kind.name): \(breach.field) "))

        let side: WireSide = breach.kind.arrives(at: .coordinator) ? .coordinator : .peer
        let frames = [Data("PWD1".utf8), try envelope.serializedData() as Data]
        let receiving = try #require(throws: WireError.self) { try WireCodec.decode(frames, at: side) }
        #expect(receiving.description == sending.description)
        if breach.kind != .errorReply { #expect(receiving.requestID == 4) }
    }

    @Test func aClientNeedsNoCPU() throws {
        var hello = Samples.hello
        (hello.role, hello.cpu, hello.threads) = (.client, "", 0)
        #expect(throws: Never.self) { try WireCodec.encode(WireEnvelope(.hello(hello))) }
    }

    @Test func aFirstGrantNeedsNoState() throws {
        var grant = Samples.grant
        grant.fromStep = 0
        grant.clearState()
        #expect(throws: Never.self) { try WireCodec.encode(WireEnvelope(.grant(grant))) }
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
