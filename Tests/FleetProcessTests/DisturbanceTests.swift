// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Glibc
import ProcessTesting
import Testing

/// The answer never depends on the fleet: the same study, the same bits, whatever died on the way.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct DisturbanceTests {
    private static let study = StudyText {
        $0.resolution = 128
        $0.steps = 60
    }

    /// The result of a run that nothing disturbs, computed once.
    private static let undisturbed = Task { () throws -> [[UInt32]] in
        let fleet = try Fleet(study)
        let outcome = try await fleet.folder.run("train", "study.yaml", "--home", "home", "--workers", "1", "--threads", "1", seconds: 120)
        try #require(outcome.status == 0, "\(outcome)")
        return Fleet.bits(try fleet.checkpoint())
    }

    private func expectUndisturbedBits(_ fleet: Fleet, home: String = "home") async throws {
        #expect(try await Fleet.bits(fleet.checkpoint(home: home)) == Self.undisturbed.value)
    }

    @Test(arguments: [1, 7, 23])
    func aKilledWorkerCostsNothingButTime(beyond step: Int) async throws {
        let fleet = try Fleet(Self.study)
        let (coordinator, endpoint) = try await fleet.coordinator()
        let workers = try [fleet.worker("ada", endpoint), fleet.worker("ben", endpoint)]
        try await fleet.submit(endpoint)
        let victim = try await fleet.busyWorker(endpoint, beyond: step)
        kill(victim, SIGKILL)
        try await fleet.waitUntilComplete(endpoint)
        #expect(workers.count { $0.isRunning } == 1)
        try await expectUndisturbedBits(fleet)
        #expect(coordinator.isRunning)
    }

    @Test(arguments: [3, 31])
    func aKilledCoordinatorGoesOnWhereItWas(beyond step: Int) async throws {
        let fleet = try Fleet(Self.study)
        let (first, endpoint) = try await fleet.coordinator()
        let workers = try [fleet.worker("ada", endpoint), fleet.worker("ben", endpoint)]
        try await fleet.submit(endpoint)
        _ = try await fleet.busyWorker(endpoint, beyond: step)
        first.signal(SIGKILL)
        try await first.wait()
        let port = try #require(endpoint.split(separator: ":").last)
        let (second, again) = try await fleet.coordinator(port: String(port))
        #expect(again == endpoint)
        try await fleet.waitUntilComplete(endpoint)
        try await expectUndisturbedBits(fleet)
        #expect(second.isRunning && workers.allSatisfy(\.isRunning))
    }

    @Test func aWorkerThatFreezesBeyondItsLeaseIsReplacedAndHarmlessWhenItThaws() async throws {
        let fleet = try Fleet(Self.study)
        let (coordinator, endpoint) = try await fleet.coordinator()
        let workers = try [fleet.worker("ada", endpoint), fleet.worker("ben", endpoint)]
        try await fleet.submit(endpoint)
        let frozen = try await fleet.busyWorker(endpoint, beyond: 12)
        kill(frozen, SIGSTOP)
        try await Task.sleep(for: .seconds(3))
        kill(frozen, SIGCONT)
        try await fleet.waitUntilComplete(endpoint)
        try await expectUndisturbedBits(fleet)
        #expect(coordinator.isRunning && workers.allSatisfy(\.isRunning))
    }

    @Test func threadsAndWorkersDoNotChangeTheBits() async throws {
        let fleet = try Fleet(Self.study)
        let outcome = try await fleet.folder.run("train", "study.yaml", "--home", "home", "--workers", "3", "--threads", "2", seconds: 120)
        #expect(outcome.status == 0, "\(outcome)")
        try await expectUndisturbedBits(fleet)
    }

    @Test func anInterruptedTrainingStopsCleanlyAndTheSameCommandGoesOn() async throws {
        var study = Self.study
        study.steps = 300
        let fleet = try Fleet(study)
        let command = ["train", "study.yaml", "--home", "home", "--workers", "2", "--threads", "1", "--heartbeat", Fleet.heartbeat]
        let first = try RunningProgram.pseudoword(command, in: fleet.folder)
        try await eventually("there is a checkpoint", seconds: 60) { (try? fleet.checkpoint()) != nil }
        first.signal(SIGINT)
        let outcome = try await first.wait(seconds: 20)
        #expect(outcome.status == 130, "\(outcome)")
        #expect(Self.workers(of: fleet).isEmpty)
        let steps = try fleet.checkpoint().optimizer.step
        let second = try await fleet.folder.run(command, seconds: 120)
        #expect(second.status == 0 && steps < 300, "\(second)")
        let other = try await fleet.folder.run("train", "study.yaml", "--home", "other", "--threads", "1", seconds: 120)
        #expect(other.status == 0, "\(other)")
        #expect(try Fleet.bits(fleet.checkpoint()) == Fleet.bits(fleet.checkpoint(home: "other")))
    }

    @Test func workersDoNotOutliveAKilledTraining() async throws {
        let fleet = try Fleet(Self.study)
        let training = try RunningProgram.pseudoword(["train", "study.yaml", "--home", "home", "--workers", "2"], in: fleet.folder)
        try await eventually("workers run") { Self.workers(of: fleet).count == 2 }
        training.signal(SIGKILL)
        try await training.wait()
        try await eventually("the workers are gone", seconds: 20) { Self.workers(of: fleet).isEmpty }
    }

    @Test func aCheckpointIsWholeAtAnyMoment() async throws {
        let fleet = try Fleet(Self.study)
        let training = try RunningProgram.pseudoword(["train", "study.yaml", "--home", "home", "--threads", "1"], in: fleet.folder)
        let path = fleet.folder.path("home/studies/tiny/trial-0/checkpoint.h5")
        var steps: Set<Int> = []
        while training.isRunning {
            if FileManager.default.fileExists(atPath: path) { steps.insert(try Checkpoint.read(from: path).optimizer.step) }
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(steps.count >= 2 && steps.max() == 60)
    }

    /// Worker processes whose current folder is the fleet's.
    private static func workers(of fleet: Fleet) -> [String] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { number in
            guard Int(number) != nil, let line = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") else { return false }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(number)/cwd")
            return words.dropFirst().first == "worker" && place == fleet.folder.path
        }
    }
}
