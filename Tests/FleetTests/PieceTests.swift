// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import ZeroMQ

@testable import Fleet

/// Pictures that are encoded once for all, and previews of what was learned.
@Suite(.timeLimit(.minutes(1)))
struct PieceTests {
    /// What the encoded parts of a bench's pictures have to be, as files.
    private func shards(_ bench: Bench, parts: Int) throws -> [URL] {
        try (0..<parts).map { part in
            let file = bench.folder.appendingPathComponent("expected-\(part)")
            try FakeTrainer.shard(part, of: bench.folder.appendingPathComponent("pictures").path).write(to: file)
            return file
        }
    }

    /// Notes what is done in which order.
    private func trainer(_ notes: Notes<String>, secondsPerStep: Double = 0.002) -> FakeTrainer {
        FakeTrainer(
            secondsPerStep: secondsPerStep, beforeStep: { if $0 == 1 { notes.add("train") } },
            beforeSlice: { if $0.kind == .evaluate, $0.step == 0 { notes.add("train") } },
            beforePiece: { request in
                switch request.kind {
                case .encode(let part): notes.add("encode \(part)")
                case .preview: notes.add("preview")
                }
            })
    }

    @Test(arguments: [false, true])
    func picturesAreEncodedOnceBeforeAnythingIsTrained(sharesSteps: Bool) async throws {
        let study = FakeStudy { ($0.steps, $0.sharesSteps) = (20, sharesSteps) }
        let bench = try Bench()
        try bench.makePictures(20)
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let notes = Notes<String>()
        let workers = try ["ada", "ben"].map { try bench.worker($0, at: endpoint, trainer(notes)) }
        try await coordinator.submit(study, picturesOf: bench)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .complete && ended.encodeParts == 2 && ended.encodedParts == 2)
        let order = notes.all
        #expect(Set(order.prefix(2)) == ["encode 0", "encode 1"] && Set(order.dropFirst(2)) == ["train"])
        // The encoded pictures reached the trainers, byte for byte.
        try await bench.expectUndisturbedResult(study, shards: shards(bench, parts: 2))
        workers.forEach { $0.stop() }
        coordinator.stop()
    }

    @Test func aWorkerNeedsNothingButTheCoordinatorsStore() async throws {
        let study = FakeStudy { $0.steps = 20 }
        let bench = try Bench()
        try bench.makePictures(3)
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        try await coordinator.submit(study, picturesOf: bench)
        // Not even the pictures are where they were.
        let moved = bench.folder.appendingPathComponent("moved")
        try FileManager.default.moveItem(at: bench.folder.appendingPathComponent("pictures"), to: moved)
        let worker = try bench.worker("ada", at: endpoint)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try FileManager.default.moveItem(at: moved, to: bench.folder.appendingPathComponent("pictures"))
        try await bench.expectUndisturbedResult(study, shards: shards(bench, parts: 1))
        worker.stop()
        coordinator.stop()
    }

    @Test func aSecondSubmissionIsTheSameStudyAndAnotherNameIsAnother() async throws {
        let bench = try Bench()
        try bench.makePictures(3)
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let notes = Notes<String>()
        let worker = try bench.worker("ada", at: endpoint, trainer(notes, secondsPerStep: 0.0005))
        try await coordinator.submit(FakeStudy(), picturesOf: bench)
        #expect(try await coordinator.submit(FakeStudy(), picturesOf: bench).isAlreadyThere)
        try await coordinator.waitUntilEnded()
        #expect(try await coordinator.submit(FakeStudy(), picturesOf: bench).isAlreadyThere)
        #expect(notes.all == ["encode 0", "train"])
        let second = FakeStudy { $0.name = "second" }
        #expect(try await !coordinator.submit(second, picturesOf: bench).isAlreadyThere)
        #expect(try await coordinator.waitUntilEnded("second").state == .complete)
        try await bench.expectUndisturbedResult(second, shards: shards(bench, parts: 1))
        // Other pictures under the same name are another study.
        try bench.makePictures(4)
        await #expect(throws: FleetError.self) { try await coordinator.submit(FakeStudy(), picturesOf: bench) }
        worker.stop()
        coordinator.stop()
    }

    @Test func partsThatAreEncodedStayEncodedWhenTheCoordinatorIsKilled() async throws {
        let bench = try Bench()
        try bench.makePictures(40)
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let notes = Notes<String>()
        let gate = Gate()
        var slow = trainer(notes)
        let note = slow.beforePiece
        slow.beforePiece = { request in
            try note(request)
            if request.kind == .encode(part: 2) { gate.pass() }
        }
        let worker = try bench.worker("ada", at: endpoint, slow)
        let study = FakeStudy { $0.steps = 20 }
        try await first.submit(study, picturesOf: bench)
        try await first.wait("two of three parts are encoded") { $0.studies[0].encodedParts == 2 && gate.hasVisitor }
        first.kill()
        gate.open()
        let second = try await bench.restart(at: endpoint)
        #expect(second.status().studies[0].encodedParts >= 2)
        #expect(try await second.waitUntilEnded().state == .complete)
        #expect(notes.all.filter { $0 == "encode 0" }.count == 1 && notes.all.filter { $0 == "encode 1" }.count == 1)
        try await bench.expectUndisturbedResult(study, shards: shards(bench, parts: 3))
        worker.stop()
        second.stop()
    }

    @Test func picturesThatNobodyCanEncodeFailTheStudyWithTheReason() async throws {
        let bench = try Bench()
        try bench.makePictures(3)
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker(
            "ada", at: endpoint, FakeTrainer(beforePiece: { _ in throw SegmentFailure(.input, "pictures/002.png: not a picture") }))
        try await coordinator.submit(FakeStudy(), picturesOf: bench)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .failed && ended.failure == "pictures/002.png: not a picture")
        worker.stop()
        coordinator.stop()
    }

    @Test(arguments: [false, true])
    func previewsLieBesideTheCheckpoint(sharesSteps: Bool) async throws {
        let study = FakeStudy {
            ($0.sharesSteps, $0.more) = (sharesSteps, "preview: {every: 20}")
        }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint)
        try await coordinator.submit(study)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult(study)
        for step in [20, 40, 60] {
            let state = try FakeTrainer(secondsPerStep: 0).train(
                FakeTrainer.request(study, to: step), report: { _ in }, isCancelled: { false }
            ).state
            let file = bench.home.appendingPathComponent("studies/teal-heart/trial-0/preview-0000\(step).png")
            try await coordinator.wait("the preview of step \(step) is there") { _ in FileManager.default.fileExists(atPath: file.path) }
            #expect(try String(contentsOf: file, encoding: .utf8) == "preview of 2 x 4: \(state.embedding)")
        }
        worker.stop()
        coordinator.stop()
    }

    @Test func aPreviewThatFailsHoldsUpNothing() async throws {
        let study = FakeStudy { $0.more = "preview: {every: 20}" }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker(
            "ada", at: endpoint, FakeTrainer(beforePiece: { _ in throw SegmentFailure(.internal, "no paint") }))
        try await coordinator.submit(study)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .complete && ended.trials[0].failure.isEmpty)
        try await bench.expectUndisturbedResult(study)
        worker.stop()
        coordinator.stop()
    }
}
