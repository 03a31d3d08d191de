// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Testing
import TextualInversion
import WireMessages

@testable import Fleet

/// Steps that are put together from slices, without any fleet.
struct DataTrialTests {
    private static let study = FakeStudy { ($0.steps, $0.every, $0.batch, $0.sharesSteps) = (24, 6, 7, true) }
    private static let id = TrialID(study: StudyID(1), index: 0)
    private static let plan = StudyPlan(
        id: id.study, name: "teal-heart", trialCount: 1, steps: study.steps, segmentSteps: study.every, parallelism: .data)

    private func trial(after last: WireSegmentResult? = nil) throws -> DataTrial {
        try DataTrial(Self.id, plan: Self.plan, study: Self.study.settings(), after: last)
    }

    /// One slice of the open step, as a worker would send it.
    private func slice(_ number: Int, of trial: DataTrial) throws -> WireSliceResult {
        let request = SliceRequest(
            study: try FakeTrainer.request(Self.study).study, kind: trial.open.kind == .gradient ? .gradient : .evaluate, trial: 0,
            step: trial.open.step, slice: number, vectors: try trial.vectors.map { try VectorRows($0) })
        let outcome = try FakeTrainer(secondsPerSlice: 0).slice(request, isCancelled: { false })
        return try WireSliceResult(outcome, seconds: 0.01, lease: LeaseID(trial.open.work(number), attempt: 1).wire)
    }

    /// Fills the open step, its slices in any order, and takes it.
    private func takeStep(_ trial: inout DataTrial) throws -> DataTrial.Next {
        for number in (0..<trial.open.slices).shuffled() {
            let result = try slice(number, of: trial)
            try trial.check(result)
            trial.keep(result)
        }
        return try trial.close()
    }

    private func nextSegment(_ trial: inout DataTrial) throws -> WireSegmentResult {
        for _ in 0..<1000 {
            if case .segment(let result) = try takeStep(&trial) { return result }
        }
        throw FleetError(.internal, "there is no end to it")
    }

    @Test func theEvaluationBeforeTheFirstStepMakesTheInitialState() throws {
        var trial = try trial()
        #expect(trial.state == nil)
        #expect(trial.open == StepPlan(trial: Self.id, step: 0, kind: .evaluate, slices: 3))
        guard case .step(let next) = try takeStep(&trial) else {
            Issue.record("a segment without a step")
            return
        }
        #expect(next == StepPlan(trial: Self.id, step: 0, kind: .gradient, slices: 4))
        let state = try #require(trial.state), expected = FakeTrainer.initialState(try Self.study.settings(), trial: 0)
        #expect(state.step == 0 && state.embedding == expected.vectors && state.initial == expected.initial)
        #expect(state.expAvg.allSatisfy { $0 == 0 } && state.expAvgSq.allSatisfy { $0 == 0 })
        #expect(state.best?.vectors == expected.vectors && state.best?.step == 0)
    }

    @Test func initialVectorsOfAnotherShapeAreRefused() throws {
        var trial = try trial()
        let good = try slice(0, of: trial)
        var more = try slice(1, of: trial)
        more.initial = WireVectors(count: 3, width: FakeTrainer.width, values: Array(repeating: 0, count: 3 * FakeTrainer.width))
        #expect(throws: WireError.self) { try trial.check(more) }
        try trial.check(good)
        trial.keep(good)
        var wider = try slice(1, of: trial)
        wider.initial = WireVectors(count: 2, width: 8, values: Array(repeating: 0, count: 16))
        #expect(throws: WireError.self) { try trial.check(wider) }
        try trial.check(try slice(1, of: trial))
    }

    /// Segment by segment, each from the one before, as after restarts; the digests of one worker's segments come out.
    @Test func slicesAddUpToTheSegmentsOfOneWorker() throws {
        var last: WireSegmentResult?
        var state: Fleet.TrainingState?
        for from in stride(from: 0, to: Self.study.steps, by: Self.study.every) {
            var trial = try trial(after: last)
            let result = try nextSegment(&trial)
            let request = try FakeTrainer.request(Self.study, from: from, to: from + Self.study.every, state: state)
            let outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
            let expected = try WireSegmentResult(outcome, of: request, lease: LeaseID(.train(Self.id), attempt: 1).wire)
            #expect(result.digest == expected.digest && result.finished == (from + Self.study.every == Self.study.steps))
            #expect(result.after == expected.after && result.evaluations == expected.evaluations)
            #expect(result.cpu == "fake" && trial.computed == result)
            #expect(try SegmentReport(result, from: .coordinator).digest == expected.digest.hexadecimal)
            (last, state) = (result, outcome.state)
        }
    }

    @Test func onlyTheOpenStepsSlicesAreOfInterest() throws {
        var trial = try trial()
        #expect(trial.isOpen(.evaluate(Self.id, step: 0, slice: 2)) && !trial.isOpen(.evaluate(Self.id, step: 0, slice: 3)))
        #expect(!trial.isOpen(.gradient(Self.id, step: 0, slice: 0)) && !trial.isOpen(.evaluate(Self.id, step: 1, slice: 0)))
        #expect(!trial.isOpen(.evaluate(TrialID(study: Self.id.study, index: 1), step: 0, slice: 0)))
        _ = try takeStep(&trial)
        #expect(trial.isOpen(.gradient(Self.id, step: 0, slice: 3)) && !trial.isOpen(.evaluate(Self.id, step: 0, slice: 0)))
    }

    @Test func slicesThatDoNotFitAreRefused() throws {
        var trial = try trial()
        var first = try slice(0, of: trial)
        first.clearInitial()
        #expect(throws: WireError.self) { try trial.check(first) }
        first = try slice(0, of: trial)
        first.losses.append(1)
        #expect(throws: WireError.self) { try trial.check(first) }
        _ = try takeStep(&trial)
        let good = try slice(0, of: trial)
        try trial.check(good)
        let changes: [(inout WireSliceResult) -> Void] = [
            { $0.losses.removeLast() }, { $0.losses.append(1) }, { $0.gradient.removeLast(4) }, { $0.gradient.append(Data(count: 4)) },
            { $0.modelDigest[0] ^= 1 }, { $0.dataDigest[0] ^= 1 },
            // The last slice of seven samples in twos is a smaller one.
            { $0.lease.index = 3 },
        ]
        for (index, change) in changes.enumerated() {
            var damaged = good
            change(&damaged)
            #expect(throws: WireError.self, "change \(index)") { try trial.check(damaged) }
        }
    }

    @Test func aStepIsNotTakenWithSlicesMissing() throws {
        var trial = try trial()
        trial.keep(try slice(0, of: trial))
        #expect(throws: FleetError.self) { try trial.close() }
    }

    @Test func workersThatMakeOtherInitialVectorsAreNotBelieved() throws {
        var trial = try trial()
        for number in 0..<trial.open.slices {
            var result = try slice(number, of: trial)
            if number == 1 { result.initial.values[3] ^= 1 }
            trial.keep(result)
        }
        #expect(throws: FleetError.self) { try trial.close() }
        #expect(trial.state == nil)
    }

    @Test func aLossThatIsNoNumberEndsTheTrialWithoutAStep() throws {
        var trial = try trial()
        _ = try takeStep(&trial)
        let before = trial.state
        for number in 0..<trial.open.slices {
            var result = try slice(number, of: trial)
            if number == 2 { result.losses[0] = .infinity }
            trial.keep(result)
        }
        #expect(throws: (any Error).self) { try trial.close() }
        #expect(trial.state == before)
    }
}
