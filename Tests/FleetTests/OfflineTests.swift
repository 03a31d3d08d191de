// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Coordination
import Foundation
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// Homes that are read while nobody runs in them, and what a status looks like on the wire.
@Suite(.timeLimit(.minutes(1)))
struct OfflineTests {
    @Test func aHomeTellsWhatItsCoordinatorKnewLast() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let worker = try bench.worker("ada", at: try coordinator.start())
        try await coordinator.submit(.sweep)
        let running = try await coordinator.waitUntilEnded("sweep")
        try await bench.expectUndisturbedResult(.sweep, trial: 8)
        worker.stop()
        try await coordinator.wait("the worker has left") { $0.workers.isEmpty }
        coordinator.stop()
        let home = try OfflineHome(bench.home)
        let status = try home.status()
        #expect(status.workers.isEmpty && status.endpoint.isEmpty)
        let study = try #require(status.study("sweep"))
        #expect(study.state == .complete && study.bestTrial == running.bestTrial && study.counts == running.counts)
        #expect(study.trials.map(\.step) == Array(repeating: 20, count: 9) && study.trials[5].parameters == running.trials[5].parameters)
        #expect(study.trials[8].checkpointPath.hasSuffix("studies/sweep/trial-8/checkpoint.h5"))
        #expect(abs(study.created.timeIntervalSince(running.created)) < 1)
        let kinds = Set(try home.events(after: 0, target: "", limit: 5000).map(\.kind))
        #expect(kinds.isSuperset(of: ["started", "submitted", "joined", "granted", "accepted", "complete", "left", "stopped"]), "\(kinds)")
        #expect(try home.events(after: 0, target: "ada", limit: 1).first?.kind == "left")
        #expect(home.lastWritten().map { abs($0.timeIntervalSinceNow) < 60 } == true)
    }

    /// A coordinator that is killed between its ledger and a study's last file leaves the file of before.
    @Test func theFileOfAStudyThatHasEndedIsMadeAgain() async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let worker = try bench.worker("ada", at: endpoint)
        try await first.submit()
        try await first.waitUntilEnded()
        try await bench.expectUndisturbedResult()
        worker.stop()
        first.stop()
        let file = Home.checkpoint(in: bench.home, study: "teal-heart", trial: 0)
        try Data("of before".utf8).write(to: file)
        let second = try await bench.restart(at: endpoint)
        let whole = try await second.wait("the file is whole") { _ in (try? Checkpoint.read(from: file.path)) != nil }
        #expect(whole.study("teal-heart")?.state == .complete)
        try await bench.expectUndisturbedResult()
        second.stop()
    }

    @Test func aHomeCanBeReadBesideItsCoordinator() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        try coordinator.start()
        try await coordinator.submit()
        #expect(try OfflineHome(bench.home).status().studies.map(\.name) == ["teal-heart"])
        coordinator.stop()
    }

    @Test func aFolderWithoutALedgerIsNotFound() throws {
        let bench = try Bench()
        let error = #expect(throws: FleetError.self) { try OfflineHome(bench.home) }
        #expect(error?.code == .notFound && error?.message.contains("holds no ledger") == true)
        #expect(!FileManager.default.fileExists(atPath: bench.home.path))
    }

    // MARK: - On the wire

    @Test func aStatusReadsBackFromTheWire() throws {
        let trial = FleetStatus.Trial(
            index: 3, state: .running, step: 7, totalSteps: 20, loss: 0.5, evaluationLoss: 0.25, bestLoss: 0.125, bestStep: 5,
            stepsPerSecond: 2, remainingSeconds: 6.5, worker: "ada", attempt: 4, failure: "f", checkpointPath: "/c.h5", workers: 2,
            parameters: [.init(key: "training.batch", value: "4")], numericsClass: "n")
        let study = FleetStatus.Study(
            id: "5", name: "s", state: .paused, created: Date(timeIntervalSince1970: 1_800_000_000), trials: [trial], priority: -3,
            counts: .init(all: 9, waiting: 1, running: 2, complete: 3, failed: 2, pruned: 1), bestTrial: 3, encodedParts: 1,
            encodeParts: 2, failure: "g", remainingSeconds: 60, parallel: "data", stepsDone: 40, stepsTotal: 180)
        let worker = FleetStatus.Worker(
            id: "6f1c2a34-0b5d-4e6f-8a9b-0c1d2e3f4a5b", name: "ada", host: "here", processID: 77, state: .stalled, study: "s", trial: 3,
            step: 7, stepsPerSecond: 2, silenceSeconds: 0.5, threads: 8, cpu: "c", program: "test 1", work: "train", numericsClass: "n",
            key: "kkkkkkkk", accepted: 12, alarms: 1, preparing: "fetching", memoryBytes: 1 << 35)
        let status = FleetStatus(
            program: "test 1", endpoint: "tcp://127.0.0.1:7400", uptimeSeconds: 12.5, problems: ["p"], waitingTrials: 4, transfers: 2,
            transferBytesPerSecond: 1 << 30, studies: [study], workers: [worker])
        let frames = try WireCodec.encode(WireEnvelope(.statusReply(status.wire(listsAll: true)), requestID: 1))
        #expect(try FleetStatus(WireCodec.decode(frames, at: .peer).statusReply) == status)
    }

    @Test func absentThingsStayAbsentOnTheWire() throws {
        let trial = FleetStatus.Trial(
            index: 0, state: .waiting, step: 0, totalSteps: 20, worker: "", attempt: 0, failure: "", checkpointPath: "")
        let study = FleetStatus.Study(id: "1", name: "s", state: .waiting, created: Date(timeIntervalSince1970: 0), trials: [trial])
        let status = FleetStatus(program: "test 1", endpoint: "e", uptimeSeconds: 0, studies: [study])
        let frames = try WireCodec.encode(WireEnvelope(.statusReply(status.wire(listsAll: true)), requestID: 1))
        #expect(try FleetStatus(WireCodec.decode(frames, at: .peer).statusReply) == status)
    }

    // MARK: - Turns

    /// Slices of one step to one worker travel together; nothing else does.
    @Test func slicesOfOneStepShareAMessage() throws {
        let (ada, ben) = (PeerID(bytes: Data([1])), PeerID(bytes: Data([2])))
        func grant(_ slice: Int, step: Int = 3, brief: UInt8 = 1) -> WireEnvelope.OneOf_Payload {
            let trial = TrialID(study: StudyID(1), index: 0)
            var grant = WireSliceGrant()
            grant.leases = [LeaseID(.gradient(trial, step: step, slice: slice), attempt: slice + 1).wire]
            grant.brief = Data(repeating: brief, count: 32)
            return .sliceGrant(grant)
        }
        var turn = Turn()
        for slice in 0..<3 { turn.say(grant(slice), to: ada) }
        turn.say(grant(3), to: ben)
        turn.say(grant(4), to: ada)
        turn.say(grant(5, step: 4), to: ada)
        turn.say(grant(6, step: 4, brief: 2), to: ada)
        turn.say(.heartbeatReply(WireHeartbeatReply()), to: ada, requestID: 9)
        turn.say(grant(7, step: 4, brief: 2), to: ada)
        let messages = turn.takeMessages()
        let slices = messages.map { message -> [UInt32] in
            if case .sliceGrant(let grant) = message.payload { grant.leases.map(\.index) } else { [] }
        }
        #expect(slices == [[0, 1, 2], [3], [4], [5], [6], [], [7]])
        #expect(messages.map(\.peer) == [ada, ben, ada, ada, ada, ada, ada] && messages[5].requestID == 9)
        #expect(turn.takeMessages().isEmpty)
    }
}
