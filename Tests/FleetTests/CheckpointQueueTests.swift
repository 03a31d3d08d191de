// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Testing
import WireMessages

@testable import Fleet

/// When which checkpoint file is written.
struct CheckpointQueueTests {
    private let study = StudyRow(
        plan: StudyPlan(id: StudyID(1), name: "teal-heart", trialCount: 9, steps: 100, segmentSteps: 1), yaml: "", json: "", baseFolder: "",
        manifest: "", created: 0)

    private func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    private func trial(_ index: Int) -> TrialID { TrialID(study: StudyID(1), index: index) }

    private func segment(_ index: Int, to step: Int, bytes: Int = 64) -> AcceptedSegment {
        var result = WireSegmentResult()
        (result.fromStep, result.toStep) = (UInt32(step - 1), UInt32(step))
        result.after.embedding = Data(count: bytes)
        return AcceptedSegment(result: result, trial: trial(index), study: study)
    }

    /// What the queue gives, such as `write 0: 1 2`.
    private func next(_ queue: inout CheckpointQueue, _ milliseconds: Int64, isHurried: Bool = false) -> String? {
        queue.isDone()
        switch queue.next(at: at(milliseconds), isHurried: isHurried) {
        case .write(let trial, _, let results):
            return "write \(trial.index): " + (results.map { $0.map { "\($0.toStep)" }.joined(separator: " ") } ?? "ledger")
        case .release(let trial): return "release \(trial.index)"
        case .resume(let trial, let step, _): return "resume \(trial.index) at \(step)"
        case .retry: return "retry"
        case nil: return nil
        }
    }

    @Test func theFirstAndTheLastFileAreWrittenAtOnceAndTheOthersHaveTime() {
        var queue = CheckpointQueue()
        queue.accepted(segment(0, to: 1), at: at(0))
        #expect(next(&queue, 0) == "write 0: 1")
        queue.accepted(segment(0, to: 2), at: at(10))
        #expect(next(&queue, 10) == nil)
        #expect(queue.due == at(1010) && queue.behind == [trial(0)])
        queue.accepted(segment(0, to: 3), at: at(600))
        #expect(next(&queue, 1009) == nil)
        #expect(next(&queue, 1010) == "write 0: 2 3")
        queue.accepted(segment(0, to: 4), at: at(1020))
        #expect(next(&queue, 1030) == nil)
        queue.end(trial(0))
        #expect(next(&queue, 1040) == "write 0: 4")
        #expect(queue.behind == [trial(0)])
        #expect(next(&queue, 1050) == "release 0")
        #expect(next(&queue, 9999) == nil)
        #expect(queue.behind == [] && queue.due == nil)
    }

    @Test func othersDoNotWaitForATrialThatHasTime() {
        var queue = CheckpointQueue()
        for index in 0..<3 { queue.accepted(segment(index, to: 1), at: at(0)) }
        #expect((0..<4).map { _ in next(&queue, 0) } == ["write 0: 1", "write 1: 1", "write 2: 1", nil])
        queue.accepted(segment(0, to: 2), at: at(5))
        queue.end(trial(1))
        queue.accepted(segment(5, to: 1), at: at(6))
        queue.resume(trial(7), step: 50, of: study)
        queue.retry()
        let all = (0..<5).map { _ in next(&queue, 7) }
        #expect(all == ["release 1", "write 5: 1", "resume 7 at 50", "retry", nil])
        #expect(next(&queue, 8, isHurried: true) == "write 0: 2")
    }

    @Test func whatWouldFillTheMemoryIsReadFromTheLedgerAgain() {
        var queue = CheckpointQueue()
        for index in 0..<4 { queue.accepted(segment(index, to: 1, bytes: 2 << 20), at: at(0)) }
        #expect((0..<4).map { _ in next(&queue, 0) } == ["write 0: 1", "write 1: 1", "write 2: 1", "write 3: ledger"])
        // The room of those that were written is free again, and a gap is never bridged.
        queue.accepted(segment(0, to: 2, bytes: 5 << 20), at: at(0))
        queue.accepted(segment(0, to: 3, bytes: 5 << 20), at: at(0))
        queue.accepted(segment(0, to: 4), at: at(0))
        queue.accepted(segment(1, to: 2, bytes: 2 << 20), at: at(0))
        #expect(next(&queue, 2000) == "write 0: ledger")
        #expect(next(&queue, 2000) == "write 1: 2")
    }

    @Test func thousandsOfTrialsOfOneSegmentComeInTheirOrder() {
        var queue = CheckpointQueue()
        for index in 0..<3000 {
            queue.accepted(segment(index, to: 1), at: at(0))
            queue.end(trial(index))
        }
        for index in 0..<3000 {
            #expect(next(&queue, 0) == "write \(index): 1")
            #expect(next(&queue, 0) == "release \(index)")
        }
        #expect(next(&queue, 0) == nil)
    }
}
