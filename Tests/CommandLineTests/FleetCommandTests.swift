// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import ProcessTesting
import Testing

/// What people ask of a running fleet and tell it, from the command line.
@Suite(.timeLimit(.minutes(5)))
struct FleetCommandTests {
    let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
        try folder.write(StudyText().yaml, to: "study.yaml")
    }

    private func expect(_ outcome: Outcome, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == Status.done && outcome.errors.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
        for part in parts { #expect(outcome.output.contains(part), "no \"\(part)\" in \(outcome)", sourceLocation: sourceLocation) }
    }

    @Test func aStudyIsSubmittedPausedResumedPrioritizedAndCancelled() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        func run(_ arguments: String...) async throws -> Outcome { try await folder.run(arguments + ["--home", "home"]) }
        expect(try await run("submit", "study.yaml", "--priority", "2"), "submitted study tiny\n")
        expect(try await run("submit", "study.yaml"), "study tiny is there already\n")
        let study = try #require(try await coordinator.status().studies.first)
        #expect(study.state == "waiting" && study.priority == 2 && study.encodeParts == 1 && study.encodedParts == 0)
        expect(
            try await run("explain", "trial", "tiny", "0"), "trial 0 of study tiny is waiting at step 0 of 40\n",
            "its pictures are being encoded: 0 of 1 parts")
        expect(try await run("pause", "tiny"), "paused study tiny, 1 unfinished trials\n")
        expect(try await run("pause", "tiny"), "study tiny was paused or had ended already\n")
        #expect(try await coordinator.status("tiny").studies.first?.state == "paused")
        expect(try await run("explain", "trial", "tiny"), "its study is paused")
        expect(try await run("resume", "tiny"), "resumed study tiny, 1 unfinished trials\n")
        expect(try await run("resume", "tiny", "--trial", "0"), "trial 0 of study tiny was not paused\n")
        expect(try await run("priority", "tiny", "--to", "-3"), "now at priority -3: study tiny")
        #expect(try await coordinator.status().studies.first?.priority == -3)
        expect(try await run("status"), "tiny", "waiting", "no workers")
        expect(try await run("cancel", "tiny"), "cancelled study tiny, 1 unfinished trials\n")
        expect(try await run("cancel", "tiny"), "study tiny had ended already\n")
        let log = try await run("logs", "tiny")
        expect(log, "submitted  tiny", "pause  tiny", "resume  tiny", "prioritize  tiny", "cancel  tiny")
        #expect(try await run("logs", "--lines", "2").output.split(separator: "\n").count == 2)
        #expect(coordinator.program.isRunning)
    }

    @Test func whatIsNotThereIsNotFound() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        for command in [
            ["status", "nobody"], ["cancel", "nobody"], ["pause", "nobody"], ["explain", "trial", "nobody"],
            ["explain", "worker", "nobody"],
            ["drain", "nobody"],
        ] {
            expectOneLine(try await folder.run(command + ["--home", "home"]), Status.notFound, "nobody", "pseudoword status")
        }
        expectOneLine(
            try await folder.run("export", "nobody", "--coordinator", coordinator.endpoint), Status.notFound, "nobody", "pseudoword status")
        #expect(coordinator.program.isRunning)
    }

    /// Else each piece of work would fail anew.
    @Test func aCacheThatCannotBeKeptIsNamedAtOnce() async throws {
        let outcome = try await folder.run("worker", "--cache", "/proc/none", "--coordinator", "tcp://127.0.0.1:1", "--insecure")
        expectOneLine(outcome, Status.failed, "/proc/none", "--cache")
    }

    @Test func aNodeThatTheMachineLacksIsNamed() async throws {
        let outcome = try await folder.run("worker", "--node", "4095", "--coordinator", "tcp://127.0.0.1:1", "--insecure")
        expectOneLine(outcome, Status.usage, "--node 4095", "the nodes that this process may use are")
    }

    @Test func aModelThatIsNowhereIsNotFound() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        try folder.write(StudyText { $0.model = "nowhere" }.yaml, to: "other.yaml")
        let outcome = try await folder.run("submit", "other.yaml", "--coordinator", coordinator.endpoint)
        expectOneLine(outcome, Status.usage, "nowhere", "neither on the client's machine nor on the coordinator's")
        #expect(coordinator.program.isRunning)
    }

    @Test func aWorkerIsExplainedAndDrained() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        let worker = try coordinator.worker("ada")
        try await eventually("it is there") { try await coordinator.status().workers.map(\.state) == ["idle"] }
        expect(
            try await folder.run("explain", "worker", "ada", "--home", "home"), "worker ada is connected", "there is no study to work on")
        expect(try await folder.run("drain", "ada", "--home", "home"), "worker ada finishes 0 pieces of work and leaves\n")
        #expect(try await worker.wait(seconds: 30).status == Status.done)
        try await eventually("it has left") { try await coordinator.status().workers.isEmpty }
        expect(try await folder.run("logs", "ada", "--home", "home"), "joined  ada", "drain  ada", "left  ada")
        #expect(coordinator.program.isRunning)
    }

    @Test(arguments: [SIGTERM, SIGKILL])
    func aHomeIsReadWhileNobodyRunsInIt(_ signal: Int32) async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        expect(try await folder.run("submit", "study.yaml", "--home", "home"))
        coordinator.program.signal(signal)
        let outcome = try await coordinator.program.wait()
        #expect(signal == SIGKILL || outcome.status == Status.done, "\(outcome)")
        expect(try await folder.run("status", "--home", "home"), "problem: no coordinator runs in", "since", "tiny", "waiting")
        let report = try StatusReport(try await folder.run("status", "--home", "home", "--output", "json"))
        #expect(report.schemaVersion == 2 && report.studies.map(\.name) == ["tiny"] && report.workers.isEmpty && report.problems.count == 1)
        expectOneLine(try await folder.run("status", "nobody", "--home", "home"), Status.notFound, "nobody")
        expectOneLine(try await folder.run("status", "--home", "nowhere"), Status.notFound, "nowhere", "no ledger")
        expectOneLine(try await folder.run("cancel", "tiny", "--home", "home"), Status.unreachable)
        if signal == SIGTERM { expect(try await folder.run("logs", "--home", "home"), "submitted  tiny", "stopped") }
        #expect(!folder.exists("nowhere"))
    }

    @Test func aSweepIsRankedAndItsBestTrialIsExported() async throws {
        var study = StudyText { ($0.steps, $0.every) = (10, 10) }
        study.more = """
            search:
              method: grid
              parameters:
                training.optimizer.weight_decay: {choice: [0, 1]}
                pseudoword.init: {choice: [zeros, {text: heart}]}
            """
        try folder.write(study.yaml, to: "sweep.yaml")
        let trained = try await folder.run(
            "train", "sweep.yaml", "--home", "sweep", "--workers", "2", "--threads", "1", "--quiet", seconds: 180)
        #expect(trained.status == Status.done, "\(trained)")
        let report = try StatusReport(try await folder.run("status", "--home", "sweep", "--output", "json"))
        let found = try #require(report.studies.first), best = try #require(found.bestTrial)
        #expect(found.state == "complete" && found.counts.complete == 4 && found.trials.count == 4)
        #expect(found.trials.compactMap(\.bestLoss).min() == found.trials[best].bestLoss)
        #expect(Set(found.trials.map { $0.parameters.map(\.value) }).count == 4)
        expect(try await folder.run("status", "tiny", "--home", "sweep", "--output", "wide"), "4/4 trials complete", "best #\(best)")
        for trial in ["best", "\(best)"] {
            expect(
                try await folder.run("export", "tiny", "--home", "sweep", "--trial", trial, "--format", "diffusers", "-o", "out-\(trial)"),
                "2 vectors of width 128")
        }
        func bytes(_ trial: String) throws -> Data {
            try Data(contentsOf: URL(fileURLWithPath: folder.path("out-\(trial)/learned_embeds.safetensors")))
        }
        #expect(try bytes("best") == bytes("\(best)"))
        expectOneLine(
            try await folder.run("export", "tiny", "--home", "sweep", "--trial", "4", "-o", "out"), Status.notFound, "trial 4")
        // The same from a box that has the coordinator's address only.
        let coordinator = try await RunningCoordinator(in: folder, home: "sweep")
        let remote = try await folder.run(
            "export", "tiny", "--coordinator", coordinator.endpoint, "--format", "diffusers", "-o", "out-remote")
        expect(remote, "2 vectors of width 128")
        #expect(try bytes("remote") == bytes("best") && coordinator.program.isRunning)
    }

    @Test func theDeterminismClassIsOneLineAndDoesNotDependOnThreads() async throws {
        let one = try await folder.run("selftest", "--digest", "--threads", "1")
        let two = try await folder.run("selftest", "--digest", "--threads", "2")
        expect(one)
        #expect(one.output == two.output && one.output.split(separator: "\n").count == 1 && one.output.count > 8, "\(one)")
        expect(try await folder.run("selftest"), "class \(one.output.trimmingCharacters(in: .newlines))\n")
    }
}
