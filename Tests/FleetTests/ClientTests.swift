// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import StableDiffusion
import Studies
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// What the command line asks, and what it is told.
@Suite(.timeLimit(.minutes(1)))
struct ClientTests {
    private func code(of work: @escaping @Sendable () throws -> some Sendable) async -> FleetError.Code? {
        do {
            _ = try await aside(work)
            return nil
        } catch {
            return (error as? FleetError)?.code
        }
    }

    private func submit(_ study: FakeStudy, _ bench: Bench, _ client: FleetClient, priority: Int = 0) async throws -> Submission {
        let (yaml, folder) = (study.yaml, bench.folder)
        return try await aside {
            try client.submit(
                yaml: yaml, baseFolder: folder.path, source: "study.yaml", priority: priority,
                cache: folder.appendingPathComponent("client"), locate: { try ModelFolder(path: $0) })
        }
    }

    @Test func questionsGetTheirAnswers() async throws {
        let bench = try Bench()
        try bench.makePictures(3)
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        let submission = try await submit(FakeStudy(), bench, client, priority: 3)
        #expect(submission == Submission(id: "1", name: "teal-heart", isAlreadyThere: false))
        #expect(try await submit(FakeStudy(), bench, client).isAlreadyThere)
        let worker = try bench.worker("ada", at: client.endpoint, FakeTrainer(secondsPerStep: 0.02))
        try await coordinator.wait("it runs") { ($0.trial?.step ?? 0) > 3 }
        let status = try await aside { try client.status(study: "1") }
        #expect(status.studies.map(\.name) == ["teal-heart"] && status.studies[0].state == .running && status.studies[0].priority == 3)
        #expect(status.studies[0].encodeParts == 1 && status.studies[0].encodedParts == 1)
        #expect(status.trial?.worker == "ada" && status.trial?.loss != nil)
        #expect(status.workers.map(\.name) == ["ada"] && status.workers[0].state == .busy && status.workers[0].study == "teal-heart")
        #expect(status.workers[0].work == "train" && status.workers[0].host == "here" && status.workers[0].alarms == 0)
        let lines = try await aside { try client.explain("teal-heart", trial: 0) }
        #expect(
            lines.first?.hasPrefix("trial 0 of study teal-heart is running") == true && lines.contains { $0.contains("worker ada holds") })
        #expect(try await aside { try client.explain("ada") }.first?.hasPrefix("worker ada is connected") == true)
        let log = try await aside { try client.log(target: "teal-heart", limit: 100) }
        #expect(log.map(\.kind).starts(with: ["submitted"]) && log.contains { $0.kind == "granted" && $0.worker == "ada" && $0.trial == 0 })
        #expect(try await aside { try client.log(target: "ada", after: log[0].number, limit: 1) }.count == 1)
        let cancellation = try await aside { try client.command(.cancel, "teal-heart") }
        #expect(cancellation.name == "teal-heart" && cancellation.count == 1 && !cancellation.wasSo)
        #expect(try await aside { try client.command(.cancel, "teal-heart") }.wasSo)
        worker.stop()
        coordinator.stop()
    }

    @Test func refusalsAreTyped() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        #expect(await code { try client.status(study: "nobody") } == .notFound)
        #expect(await code { try client.command(.cancel, "nobody") } == .notFound)
        #expect(await code { try client.command(.drain, "nobody") } == .notFound)
        #expect(await code { try client.explain("nobody") } == .notFound)
        #expect(await code { try client.explain("nobody", trial: 0) } == .notFound)
        #expect(await code { try client.checkpoint(study: "nobody", trial: nil).file } == .notFound)
        #expect(await code { try client.status(study: "") } == .invalid)
        #expect(await code { try client.keys(.show).token } == .refused)
        try await coordinator.submit()
        #expect(await code { try client.explain("teal-heart", trial: 1) } == .notFound)
        #expect(await code { try client.command(.cancel, "teal-heart", trial: 1) } == .notFound)
        #expect(await code { try client.checkpoint(study: "teal-heart", trial: 0).file } == .notFound)
        #expect(await code { try client.command(.prioritize, "teal-heart", priority: 2_000_000) } == .invalid)
        coordinator.stop()
    }

    @Test func aStudyThatIsNoneIsRefusedOnBothSides() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        for yaml in ["study: [", "", FakeStudy { $0.steps = 0 }.yaml] {
            await #expect(throws: StudyError.self) {
                try await aside {
                    try client.submit(
                        yaml: yaml, baseFolder: "/tmp", source: "a.yaml", cache: bench.folder.appendingPathComponent("client"),
                        locate: { try ModelFolder(path: $0) })
                }
            }
        }
        // A client that does not look into its studies.
        var submission = WireSubmitStudy()
        (submission.yaml, submission.baseFolder, submission.sourcePath) = ("study: [", "/tmp", "a.yaml")
        let request = submission
        let answer = try await aside { try client.ask(.submitStudy(request)) }
        guard case .submitReply(let reply) = answer else {
            Issue.record("another answer: \(answer)")
            return
        }
        #expect(reply.outcome == .refused && reply.message.hasPrefix("a.yaml"))
        #expect(coordinator.status().studies.isEmpty)
        coordinator.stop()
    }

    @Test func aCheckpointCanBeHadByAnybodyWhoMayAsk() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        let worker = try bench.worker("ada", at: client.endpoint)
        try await coordinator.submit()
        try await coordinator.waitUntilEnded()
        try await bench.expectUndisturbedResult()
        let (trial, file) = try await aside { try client.checkpoint(study: "teal-heart", trial: nil) }
        let path = Home.checkpoint(in: bench.home, study: "teal-heart", trial: 0)
        let kept = try Data(contentsOf: path)
        #expect(trial == 0 && file == kept)
        worker.stop()
        coordinator.stop()
    }

    @Test func aCoordinatorThatIsNotThereIsUnreachable() async throws {
        let client = FleetClient(try Endpoint("tcp://127.0.0.1:9"), connectTimeout: .milliseconds(300))
        #expect(await code { try client.status() } == .unreachable)
    }
}
