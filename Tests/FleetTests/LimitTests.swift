// SPDX-License-Identifier: Apache-2.0

import Blobs
import Coordination
import Foundation
import Studies
import SwiftProtobuf
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// Studies and fleets that are large, and those that are too large.
@Suite(.timeLimit(.minutes(1)))
struct LimitTests {
    // MARK: - Replies

    private func largeStatus() -> FleetStatus {
        let parameters = (0..<20).map { FleetStatus.Parameter(key: "training.learning_rate.number-\($0)", value: "0.0\($0)34567890123") }
        let trials = (0..<10_000).map { index in
            FleetStatus.Trial(
                index: index, state: .complete, step: 1000, totalSteps: 1000, loss: 0.5, evaluationLoss: 0.25, bestLoss: 0.125, bestStep: 5,
                stepsPerSecond: 2, remainingSeconds: 6.5, worker: "worker-\(index)", attempt: 4, failure: "",
                checkpointPath: "/var/lib/pseudoword/studies/large/trial-\(index)/checkpoint.h5", parameters: parameters,
                numericsClass: String(repeating: "n", count: 64))
        }
        let study = FleetStatus.Study(
            id: "1", name: "large", state: .complete, created: Date(timeIntervalSince1970: 1_800_000_000), trials: trials,
            counts: .init(all: 10_000, complete: 10_000))
        let workers = (0..<1000).map { number in
            FleetStatus.Worker(
                id: UUID().uuidString.lowercased(), name: "worker-\(number)", host: "box-\(number)", processID: number, state: .busy,
                study: "large", silenceSeconds: 0.5, threads: 64, cpu: String(repeating: "c", count: 120), program: "test 1",
                numericsClass: String(repeating: "n", count: 64), key: "kkkkkkkk")
        }
        return FleetStatus(program: "test 1", endpoint: "tcp://127.0.0.1:7400", uptimeSeconds: 1, studies: [study], workers: workers)
    }

    @Test func aLargeFleetIsToldInPages() throws {
        let whole = largeStatus()
        var rest = whole, pages = 0
        var told: [FleetStatus.Trial] = []
        repeat {
            let frames = try WireCodec.encode(WireEnvelope(.statusReply(rest.wire(listsAll: true)), requestID: 1))
            guard case .statusReply(let reply)? = try WireCodec.decode(frames, at: .peer).payload else { return }
            let page = FleetStatus(reply)
            #expect(page.workers == whole.workers && page.workersLeftOut == 0 && page.studies[0].counts.all == 10_000)
            told += page.studies[0].trials
            pages += 1
            guard let next = page.studies[0].nextTrial else { break }
            rest.studies[0].trials = Array(whole.studies[0].trials.dropFirst(next))
        } while pages < 100
        #expect(told == whole.studies[0].trials && pages > 1)
    }

    @Test func aListOfSomeTrialsIsNotContinued() throws {
        let wire = largeStatus().wire(listsAll: false)
        #expect(wire.studies[0].trials.count < 10_000 && !wire.studies[0].hasNextTrial)
    }

    @Test func aLogReplyHoldsTheNewestEntriesThatFit() throws {
        let entries = (1...5000).map { number in
            WireLogEntry.with {
                ($0.number, $0.kind, $0.text) = (UInt64(number), "alarm", String(repeating: "x", count: 2000))
            }
        }
        let reply = WireLogReply.with { $0.entries = ReplyBudget.newest(entries) }
        _ = try WireCodec.encode(WireEnvelope(.logReply(reply), requestID: 1))
        #expect(reply.entries.count > 1000 && reply.entries.last?.number == 5000)
        #expect(ReplyBudget.newest(Array(entries.prefix(3))).map(\.number) == [1, 2, 3])
    }

    @Test func waitingTrialsAreThoseOfAllStudies() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        try await coordinator.submit()
        try await coordinator.submit(.sweep)
        #expect(try await aside { try client.status(study: "teal-heart").waitingTrials } == 10)
        coordinator.stop()
    }

    // MARK: - Submissions

    private func refusal(_ study: FakeStudy, width: Int? = 768) throws -> String? {
        let settings = try study.settings()
        do {
            try SubmissionLimits.check(
                settings, trials: [(settings, settings.canonicalJSON())], manifest: nil, width: width, source: "study.yaml")
            return nil
        } catch {
            #expect(error.code == .invalid && !error.message.contains("\n"))
            return error.message
        }
    }

    @Test func studiesThatCannotTravelAreRefusedInOneLine() throws {
        #expect(try refusal(FakeStudy()) == nil)
        #expect(try refusal(FakeStudy(), width: 8192) == nil && refusal(FakeStudy(), width: nil) == nil)
        #expect(try refusal(FakeStudy(), width: 8193)?.contains("use fewer vectors") == true)
        #expect(try refusal(FakeStudy(), width: 200_000)?.contains("2 vectors of width 200000") == true)
        let wide = FakeStudy { ($0.batch, $0.microbatch, $0.sharesSteps) = (4096, 1, true) }
        #expect(try refusal(wide) == nil)
        let evaluated = FakeStudy { ($0.microbatch, $0.evaluationSamples, $0.sharesSteps) = (1, 5000, true) }
        #expect(try refusal(evaluated)?.contains("evaluate.samples makes 5000 slices") == true)
    }

    /// What the longest segment adds to the vectors.
    @Test func theLongestSegmentFitsIntoItsMessage() throws {
        let steps = StudyPlan.longestSegment
        let values = [Float](repeating: 1, count: 40 * WireLimits.vectorWidth.upperBound)
        var result = WireSegmentResult()
        result.lease = LeaseID(.train(TrialID(study: StudyID(1), index: 0)), attempt: 1).wire
        (result.fromStep, result.toStep) = (UInt32(1 << 30), UInt32(1 << 30 + steps))
        result.after = WireTrainingState(
            count: 40, width: WireLimits.vectorWidth.upperBound, step: result.toStep, embedding: values, expAvg: values, expAvgSq: values,
            initial: values, best: .init(vectors: values, step: result.toStep, loss: 0.5))
        for step in result.fromStep + 1...result.toStep {
            result.history.append(
                .with {
                    ($0.step, $0.loss, $0.learningRate) = (step, 0.1, 0.1)
                    ($0.gradientNorm, $0.embeddingNorm, $0.seconds) = (0.1, 0.1, 0.1)
                })
            result.evaluations.append(.with { ($0.step, $0.loss, $0.standardError) = (step, 0.1, 0.1) })
        }
        for path in [\WireSegmentResult.digest, \.modelDigest, \.dataDigest] { result[keyPath: path] = Data(count: 32) }
        result.cpu = "fake"
        _ = try WireCodec.encode(WireEnvelope(.segmentResult(result)))
        #expect(try result.serializedData().count - 5 * 4 * values.count <= SubmissionLimits.rowBytes)
    }

    // MARK: - Many slices

    @Test func aStepOfThousandsOfSlicesIsComputedOnceByItsOnlyWorker() async throws {
        let study = FakeStudy { ($0.steps, $0.every, $0.batch, $0.microbatch, $0.sharesSteps) = (1, 1, 3000, 1, true) }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let computed = Notes<Int>()
        let worker = try bench.worker(
            "ada", at: try coordinator.start(),
            FakeTrainer(secondsPerSlice: 0, beforeSlice: { if $0.kind == .gradient { computed.add($0.slice) } }))
        try await coordinator.submit(study)
        #expect(try await coordinator.waitUntilEnded(seconds: 50).state == .complete)
        #expect(computed.all.sorted() == Array(0..<3000))
        worker.stop()
        coordinator.stop()
    }

    // MARK: - Answers

    @Test func theAnswerToAPieceRepeatsTheNumberOfItsQuestion() async throws {
        let bench = try Bench()
        try bench.makePictures(3)
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        try await coordinator.submit(FakeStudy(), picturesOf: bench)
        try await peer.joinAsWorker()
        let grant = try await peer.next { if case .pieceGrant(let grant) = $0 { grant } else { nil } }
        let blob = Data("latents".utf8)
        let digest = try BlobStore(folder: bench.home.appendingPathComponent("blobs")).put(blob)
        let result = WirePieceResult.with {
            $0.lease = grant.lease
            ($0.blob.digest, $0.blob.bytes) = (Data(digest.bytes), UInt64(blob.count))
        }
        try peer.send(.pieceResult(result), requestID: 4711)
        let answer = try await peer.nextEnvelope { if case .resultAck? = $0.payload { $0 } else { nil } }
        #expect(answer.requestID == 4711)
        peer.stop()
        coordinator.stop()
    }
}
