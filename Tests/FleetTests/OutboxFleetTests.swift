// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import ZeroMQ

@testable import Fleet

/// Work that outlives both the coordinator that asked for it and the worker that did it.
@Suite(.timeLimit(.minutes(1)))
struct OutboxFleetTests {
    /// Results that are whole; what is still being written counts for nobody.
    private func files(_ folder: URL) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".result") }.sorted()
    }

    private func eventually(_ what: String, _ isTrue: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while !isTrue() {
            guard ContinuousClock.now < end else { throw FleetError(.internal, "waited in vain until \(what)") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// A worker, ada, whose coordinator was killed while it computed the second segment; it goes on now.
    private func stranded() async throws -> (bench: Bench, outbox: URL, endpoint: Endpoint, worker: WorkerService) {
        let bench = try Bench()
        let outbox = bench.folder.appendingPathComponent("outbox")
        let gate = Gate()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 15 { gate.pass() } })) { $0.outbox = outbox }
        try await first.submit()
        try await first.wait("the worker waits in the second segment") { _ in gate.hasVisitor }
        first.kill()
        gate.open()
        return (bench, outbox, endpoint, worker)
    }

    @Test func aResultThatNobodyCouldTakeIsSentByTheNextWorkerOfTheMachine() async throws {
        let (bench, outbox, endpoint, worker) = try await stranded()
        try await eventually("the result is on the worker's disk") { files(outbox) == ["train-1-0-0-0-2.result"] }
        // The first segment's result was acknowledged, so it is not there any more.
        worker.kill()
        let second = try await bench.restart(at: endpoint)
        let heir = try bench.worker("ben", at: endpoint) { $0.outbox = outbox }
        let study = try await second.waitUntilEnded()
        // Six segments in six attempts: nothing was computed twice.
        #expect(study.state == .complete && study.trials[0].attempt == 6)
        try await bench.expectUndisturbedResult()
        try await eventually("the outbox is empty") { files(outbox).isEmpty }
        heir.stop()
        second.stop()
    }

    @Test func twoWorkersOfAMachineThatSendTheSameResultDoNoHarm() async throws {
        let (bench, outbox, endpoint, ada) = try await stranded()
        try await eventually("the result is on the worker's disk") { !files(outbox).isEmpty }
        // It finds the result of the one that still lives.
        let ben = try bench.worker("ben", at: endpoint) { $0.outbox = outbox }
        let second = try await bench.restart(at: endpoint)
        let study = try await second.waitUntilEnded()
        #expect(study.state == .complete && study.trials[0].attempt == 6)
        #expect(second.status().workers.allSatisfy { $0.alarms == 0 })
        try await bench.expectUndisturbedResult()
        try await eventually("the outbox is empty") { files(outbox).isEmpty }
        ada.stop()
        ben.stop()
        second.stop()
    }

    @Test func aResultOfAStudyThatEndedIsForgotten() async throws {
        let (bench, outbox, endpoint, ada) = try await stranded()
        try await eventually("the result is on the worker's disk") { !files(outbox).isEmpty }
        ada.kill()
        let second = try await bench.restart(at: endpoint)
        #expect(try await second.command(.cancel, "teal-heart").count == 1)
        let heir = try bench.worker("ben", at: endpoint) { $0.outbox = outbox }
        try await eventually("the outbox is empty") { files(outbox).isEmpty }
        try await second.wait("the worker is free") { $0.workers.first?.state == .idle }
        #expect(second.status().trial?.step == 10)
        heir.stop()
        second.stop()
    }
}
