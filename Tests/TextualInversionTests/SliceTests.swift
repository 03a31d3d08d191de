// SPDX-License-Identifier: Apache-2.0
import StableDiffusion
import Studies
import Testing

@testable import TextualInversion

/// A step cut into slices that several machines compute is the step that one computes.
@Suite(.serialized) struct SliceTests {
    /// Trains with every slice computed by one of the sessions, in a random order, and added up by a course that has no model.
    private func train(_ sessions: [InversionSession], study: Study, trial: Int, until end: Int) throws -> TrainedSegment {
        let course = try TrainingCourse(study)
        var generator = SystemRandomNumberGenerator()
        func compute<Part>(_ count: Int, _ part: (InversionSession, Int) throws -> Part) throws -> [Part] {
            var parts: [Int: Part] = [:]
            for slice in (0..<count).shuffled(using: &generator) {
                parts[slice] = try part(sessions[Int.random(in: 0..<sessions.count, using: &generator)], slice)
            }
            return (0..<count).compactMap { parts[$0] }
        }
        var segment = TrainedSegment(state: sessions[0].initialState())
        func evaluate(_ segment: inout TrainedSegment) throws {
            guard course.isEvaluationDue(at: segment.state.step) else { return }
            let vectors = segment.state.vectors
            let slices = try compute(course.evaluationSliceCount) { try $0.evaluationSlice(vectors: vectors, slice: $1) }
            segment.evaluations.append(try course.recordEvaluation(course.losses(slices), in: &segment.state))
        }
        try evaluate(&segment)
        while segment.state.step < min(end, course.finish) {
            let state = segment.state
            let slices = try compute(course.sliceCount) {
                try $0.gradientSlice(vectors: state.vectors, step: state.step, trial: trial, slice: $1)
            }
            let sum = try course.sum(slices, count: state.vectors.count)
            segment.history.append(try course.apply(sum, to: &segment.state))
            try evaluate(&segment)
        }
        segment.isFinished = segment.state.step >= course.finish
        return segment
    }

    @Test(arguments: [1, 2, 3, 5]) func slicesAddUpToTheVeryBits(microbatch: Int) throws {
        let study = try InversionFixtures.tinyStudy { $0.training.microbatch = microbatch }
        let sessions = try (0..<2).map { _ in try InversionSession(study: study, folder: InversionFixtures.tiny) }
        let whole = try sessions[0].train(sessions[0].initialState(), trial: 3, until: 12)
        let shared = try train(sessions, study: study, trial: 3, until: 12)
        #expect(whole.evaluations.map(\.step) == [0, 5, 10, 12] && whole.isFinished)
        #expect(shared.state == whole.state && shared.timeless == whole.timeless && shared.evaluations == whole.evaluations)
        #expect(shared.isFinished)
        #expect(sessions[0].sliceCount == (5 + microbatch - 1) / microbatch)
        #expect(sessions[0].evaluationSliceCount == (7 + microbatch - 1) / microbatch)
    }

    @Test func starterModelToo() throws {
        var study = try InversionFixtures.study("starter")
        (study.training.batch, study.training.microbatch, study.training.steps, study.evaluation.samples) = (3, 1, 2, 3)
        let session = try InversionSession(study: study, folder: InversionFixtures.starter)
        let whole = try session.train(session.initialState(), trial: 0, until: 2)
        let shared = try train([session], study: study, trial: 0, until: 2)
        #expect(shared.state == whole.state && shared.evaluations == whole.evaluations)
    }

    @Test func sliceHasTheLossesAndTheGradientOfItsSamples() throws {
        let session = try InversionFixtures.shared.get(), vectors = session.initialState().vectors
        let slices = try (0..<session.sliceCount).map { try session.gradientSlice(vectors: vectors, step: 0, trial: 0, slice: $0) }
        #expect(slices.map(\.losses.count) == [2, 2, 1])
        #expect(slices.allSatisfy { $0.gradient.count == vectors.count && $0.gradient.contains { $0 != 0 } })
        #expect(try session.gradientSlice(vectors: vectors, step: 0, trial: 0, slice: 1) == slices[1])
        #expect(try session.gradientSlice(vectors: vectors, step: 1, trial: 0, slice: 1) != slices[1])
        #expect(try session.gradientSlice(vectors: vectors, step: 0, trial: 1, slice: 1) != slices[1])
        let course = try TrainingCourse(session.study)
        #expect((0..<3).map { course.samples(ofSlice: $0) } == [0..<2, 2..<4, 4..<5])
        #expect((0..<4).map { course.samples(ofEvaluationSlice: $0) } == [0..<2, 2..<4, 4..<6, 6..<7])
    }

    @Test(arguments: [(-1, 0, 0), (3, 0, 0), (Int.max, 0, 0), (0, -1, 0), (0, 12, 0), (0, Int.max, 0), (0, 0, -1), (0, 0, Int.max)])
    func placesThatAreNotThereAreRefused(slice: Int, step: Int, trial: Int) throws {
        let session = try InversionFixtures.shared.get(), vectors = session.initialState().vectors
        refusal(.input) { try session.gradientSlice(vectors: vectors, step: step, trial: trial, slice: slice) }
    }

    @Test func vectorsThatDoNotFitAreRefused() throws {
        let session = try InversionFixtures.shared.get(), vectors = session.initialState().vectors
        for wrong in [[], Array(vectors.dropLast()), vectors + [0]] {
            refusal(.input) { try session.gradientSlice(vectors: wrong, step: 0, trial: 0, slice: 0) }
            refusal(.input) { try session.evaluationSlice(vectors: wrong, slice: 0) }
        }
        for slice in [-1, 4] { refusal(.input) { try session.evaluationSlice(vectors: vectors, slice: slice) } }
    }

    @Test func stepsFromTheWrongPartsAreRefused() throws {
        let session = try InversionFixtures.shared.get(), course = session.course
        var state = session.initialState()
        let before = state, slice = try session.gradientSlice(vectors: state.vectors, step: 0, trial: 0, slice: 0)
        var sum = GradientSum(count: state.vectors.count)
        refusal(.input) { try sum.add(GradientSlice(losses: [1], gradient: [1])) }
        try sum.add(slice)
        #expect(refusal(.input) { try course.apply(sum, to: &state) }.contains("2 losses"))
        let other = GradientSum(count: 5)
        refusal(.input) { try course.apply(other, to: &state) }
        refusal(.input) { try course.recordEvaluation([1, 2], in: &state) }
        let slices = try (0..<3).map { try session.gradientSlice(vectors: before.vectors, step: 0, trial: 0, slice: $0) }
        #expect(try course.sum(slices, count: 48).losses.count == 5)
        #expect(refusal(.input) { try course.sum(Array(slices.dropLast()), count: 48) }.contains("2 slices of the step, expected 3"))
        #expect(refusal(.input) { try course.sum(slices.reversed(), count: 48) }.contains("slice 0 of the step has 1 losses, expected 2"))
        refusal(.input) { try course.sum(slices, count: 47) }
        refusal(.input) { try course.losses([[1, 2], [1, 2], [1, 2]]) }
        refusal(.input) { try course.losses([[1, 2], [1, 2], [1], [1, 2]]) }
        refusal(.numeric) { try course.recordEvaluation(Array(repeating: .nan, count: 7), in: &state) }
        #expect(state == before)
    }

    @Test func numbersOfNoUseLeaveTheStateAsItWas() throws {
        let study = try InversionFixtures.tinyStudy { $0.training.learningRate = .grammar("1e39") }
        let course = try TrainingCourse(study)
        var state = TrainingState(rows: 3, width: 16, initial: Array(repeating: 1, count: 48))
        let before = state
        for (loss, gradient) in [(1.0, Float(1)), (.nan, 1), (1, .infinity), (1, 0)] {
            var sum = GradientSum(count: 48)
            try sum.add(GradientSlice(losses: Array(repeating: loss, count: 5), gradient: Array(repeating: gradient, count: 48)))
            refusal(.numeric) { try course.apply(sum, to: &state) }
            #expect(state == before)
        }
    }
}
