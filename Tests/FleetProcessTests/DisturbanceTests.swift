// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Glibc
import ProcessTesting
import Testing

/// How a study uses many workers.
enum Parallelism: String, Sendable, CaseIterable { case trials, data }

/// The answer never depends on the fleet: the same study, the same bits, whatever died on the way, and however it was shared out.
@Suite(.serialized, .timeLimit(.minutes(15)))
struct DisturbanceTests {
    private static let steps = 60

    private static func study(_ parallelism: Parallelism) -> StudyText {
        StudyText {
            ($0.resolution, $0.steps) = (128, steps)
            $0.more = "parallel: \(parallelism.rawValue)"
        }
    }

    /// The result of one worker that nothing disturbs, computed once.
    private static let undisturbed = Task { () throws -> [[UInt32]] in
        let fleet = try Fleet(study(.trials))
        let outcome = try await fleet.folder.run("train", "study.yaml", "--home", "home", "--workers", "1", "--threads", "1", seconds: 120)
        try #require(outcome.status == 0, "\(outcome)")
        return Fleet.bits(try fleet.checkpoint())
    }

    private func expectUndisturbedBits(_ fleet: Fleet, home: String = "home") async throws {
        #expect(try await Fleet.bits(fleet.checkpoint(home: home, at: Self.steps)) == Self.undisturbed.value)
    }

    @Test(arguments: Parallelism.allCases, [1, 7, 23])
    func aKilledWorkerCostsNothingButTime(_ parallelism: Parallelism, beyond step: Int) async throws {
        let fleet = try Fleet(Self.study(parallelism))
        let coordinator = try await fleet.coordinator()
        let workers = try ["ada", "ben"].map { try coordinator.worker($0) }
        try await fleet.submit(coordinator)
        let victim = try await fleet.busyWorker(coordinator, beyond: step)
        kill(victim, SIGKILL)
        try await fleet.waitUntilComplete(coordinator)
        #expect(workers.count { $0.isRunning } == 1)
        try await expectUndisturbedBits(fleet)
        #expect(coordinator.program.isRunning)
    }

    @Test(arguments: Parallelism.allCases, [3, 31])
    func aKilledCoordinatorGoesOnWhereItWas(_ parallelism: Parallelism, beyond step: Int) async throws {
        let fleet = try Fleet(Self.study(parallelism))
        let first = try await fleet.coordinator()
        let workers = try ["ada", "ben"].map { try first.worker($0) }
        try await fleet.submit(first)
        _ = try await fleet.busyWorker(first, beyond: step)
        first.program.signal(SIGKILL)
        try await first.program.wait()
        let second = try await fleet.coordinator(port: first.port)
        #expect(second.endpoint == first.endpoint)
        try await fleet.waitUntilComplete(second)
        try await expectUndisturbedBits(fleet)
        #expect(second.program.isRunning && workers.allSatisfy(\.isRunning))
    }

    @Test(arguments: Parallelism.allCases)
    func aWorkerThatFreezesBeyondItsLeaseIsReplacedAndHarmlessWhenItThaws(_ parallelism: Parallelism) async throws {
        let fleet = try Fleet(Self.study(parallelism))
        let coordinator = try await fleet.coordinator()
        let workers = try ["ada", "ben"].map { try coordinator.worker($0) }
        try await fleet.submit(coordinator)
        let frozen = try await fleet.busyWorker(coordinator, beyond: 12)
        kill(frozen, SIGSTOP)
        try await Task.sleep(for: .seconds(3))
        kill(frozen, SIGCONT)
        try await fleet.waitUntilComplete(coordinator)
        try await expectUndisturbedBits(fleet)
        #expect(coordinator.program.isRunning && workers.allSatisfy(\.isRunning))
    }

    @Test(arguments: Parallelism.allCases)
    func threadsAndWorkersDoNotChangeTheBits(_ parallelism: Parallelism) async throws {
        let fleet = try Fleet(Self.study(parallelism))
        let outcome = try await fleet.folder.run("train", "study.yaml", "--home", "home", "--workers", "3", "--threads", "2", seconds: 180)
        #expect(outcome.status == 0, "\(outcome)")
        try await expectUndisturbedBits(fleet)
    }

    @Test(arguments: Parallelism.allCases)
    func anInterruptedTrainingStopsCleanlyAndTheSameCommandGoesOn(_ parallelism: Parallelism) async throws {
        var study = Self.study(parallelism)
        study.steps = 300
        let fleet = try Fleet(study)
        let command = ["train", "study.yaml", "--home", "home", "--workers", "2", "--threads", "1", "--heartbeat", Fleet.heartbeat]
        let first = try RunningProgram.pseudoword(command, in: fleet.folder)
        try await eventually("there is a checkpoint", seconds: 90) { (try? fleet.checkpoint()) != nil }
        first.signal(SIGINT)
        let outcome = try await first.wait(seconds: 30)
        #expect(outcome.status == 130, "\(outcome)")
        #expect(Self.workers(of: fleet).isEmpty)
        let steps = try fleet.checkpoint().optimizer.step
        let second = try await fleet.folder.run(command, seconds: 180)
        #expect(second.status == 0 && steps < 300, "\(second)")
        let other = try await fleet.folder.run("train", "study.yaml", "--home", "other", "--threads", "1", seconds: 180)
        #expect(other.status == 0, "\(other)")
        #expect(try Fleet.bits(fleet.checkpoint()) == Fleet.bits(fleet.checkpoint(home: "other")))
    }

    @Test func workersDoNotOutliveAKilledTraining() async throws {
        let fleet = try Fleet(Self.study(.trials))
        let training = try RunningProgram.pseudoword(["train", "study.yaml", "--home", "home", "--workers", "2"], in: fleet.folder)
        try await eventually("workers run") { Self.workers(of: fleet).count == 2 }
        training.signal(SIGKILL)
        try await training.wait()
        try await eventually("the workers are gone", seconds: 20) { Self.workers(of: fleet).isEmpty }
    }

    @Test func aCheckpointIsWholeAtAnyMoment() async throws {
        let fleet = try Fleet(Self.study(.trials))
        let training = try RunningProgram.pseudoword(["train", "study.yaml", "--home", "home", "--threads", "1"], in: fleet.folder)
        let path = fleet.folder.path("home/studies/tiny/trial-0/checkpoint.h5")
        var steps: Set<Int> = []
        while training.isRunning {
            if FileManager.default.fileExists(atPath: path) { steps.insert(try Checkpoint.read(from: path).optimizer.step) }
            try await Task.sleep(for: .milliseconds(2))
        }
        steps.insert(try fleet.checkpoint().optimizer.step)
        #expect(steps.count >= 2 && steps.max() == Self.steps)
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
