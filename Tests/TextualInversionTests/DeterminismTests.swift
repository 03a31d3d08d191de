// SPDX-License-Identifier: Apache-2.0
import Studies
import Tensors
import Testing

@testable import TextualInversion

/// The answer depends on the study, never on how its work is cut up.
@Suite(.serialized) struct DeterminismTests {
    private func train(_ session: InversionSession, trial: Int = 0, stops: [Int]) throws -> TrainedSegment {
        var whole = TrainedSegment(state: session.initialState())
        for stop in stops {
            let part = try session.train(whole.state, trial: trial, until: stop)
            whole.state = part.state
            whole.history += part.history
            whole.evaluations += part.evaluations
            whole.isFinished = part.isFinished
        }
        return whole
    }

    private func expectSame(_ a: TrainedSegment, _ b: TrainedSegment, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(a.state == b.state, sourceLocation: sourceLocation)
        #expect(a.timeless == b.timeless, sourceLocation: sourceLocation)
        #expect(a.evaluations == b.evaluations, sourceLocation: sourceLocation)
        #expect(a.isFinished == b.isFinished, sourceLocation: sourceLocation)
    }

    @Test func segmentsGiveTheSameBitsAsOneRun() throws {
        let session = try InversionFixtures.shared.get()
        let whole = try train(session, stops: [6])
        #expect(whole.history.map(\.step) == Array(1...6))
        #expect(whole.evaluations.map(\.step) == [0, 5])
        expectSame(try train(session, stops: [2, 4, 6]), whole)
        expectSame(try train(session, stops: [1, 2, 3, 4, 5, 6]), whole)
        expectSame(try train(session, stops: [5, 5, 6, 3]), whole)
    }

    @Test func anotherSessionGoesOnWithTheSameBits() throws {
        let whole = try train(InversionFixtures.shared.get(), stops: [6])
        let first = try InversionFixtures.tinySession().train(whole.initialState, trial: 0, until: 3)
        let other = try InversionFixtures.tinySession().train(first.state, trial: 0, until: 6)
        #expect(other.state == whole.state)
        #expect(first.timeless + other.timeless == whole.timeless)
    }

    @Test func sessionsDoNotDisturbEachOther() async throws {
        let session = try InversionFixtures.shared.get()
        let expected = try (0..<3).map { try session.train(session.initialState(), trial: $0, until: 3).state }
        let states = try await withThrowingTaskGroup(of: (Int, TrainingState).self) { group in
            for trial in 0..<3 { group.addTask { (trial, try session.train(session.initialState(), trial: trial, until: 3).state) } }
            return try await group.reduce(into: [Int: TrainingState]()) { $0[$1.0] = $1.1 }
        }
        #expect((0..<3).map { states[$0] } == expected)
    }

    /// With the starter model, whose work is large enough to be cut into pieces.
    @Test func threadsDoNotChangeTheBits() throws {
        let before = Compute.threads
        defer { Compute.setThreads(before) }
        var study = try InversionFixtures.study("starter")
        (study.training.batch, study.training.microbatch, study.evaluation.samples) = (3, 2, 2)
        let results = try [1, 2, 3].map { threads in
            Compute.setThreads(threads)
            #expect(Compute.threads == threads)
            let session = try InversionSession(study: study, folder: InversionFixtures.starter)
            return try session.train(session.initialState(), trial: 0, until: 3)
        }
        expectSame(results[1], results[0])
        expectSame(results[2], results[0])
    }

    @Test func trialsDrawDifferently() throws {
        let session = try InversionFixtures.shared.get()
        let trials = try (0..<3).map { try session.train(session.initialState(), trial: $0, until: 2) }
        #expect(Set(trials.map(\.state.vectors)).count == 3)
        #expect(Set(trials.map { $0.history[0].loss }).count == 3)
        #expect(Set(trials.map { $0.evaluations[0].loss }).count == 1, "what they start from is judged alike")
    }

    @Test func seedChangesDraws() throws {
        let first = try InversionFixtures.shared.get(), other = try InversionFixtures.tinySession { $0.training.seed = 1 }
        #expect(first.initialState() == other.initialState())
        let results = try [first, other].map { try $0.train($0.initialState(), trial: 0, until: 1) }
        #expect(results[0].history[0].loss != results[1].history[0].loss)
        #expect(results[0].evaluations[0].loss != results[1].evaluations[0].loss)
    }

    @Test func microbatchChangesOnlyRounding() throws {
        let results = try [1, 2, 3, 5].map { size in
            let session = try InversionFixtures.tinySession { $0.training.microbatch = size }
            return try session.train(session.initialState(), trial: 0, until: 6)
        }
        for other in results.dropFirst() {
            #expect(relativeError(other.state.vectors, results[0].state.vectors) < 1e-5)
            for (a, b) in zip(other.history, results[0].history) {
                #expect(abs(a.loss / b.loss - 1) < 1e-5 && abs(a.gradientNorm / b.gradientNorm - 1) < 1e-4, "step \(a.step)")
            }
            for (a, b) in zip(other.evaluations, results[0].evaluations) { #expect(abs(a.loss / b.loss - 1) < 1e-5) }
        }
        let study = try InversionFixtures.tinyStudy(), other = try InversionFixtures.tinyStudy { $0.training.microbatch = 5 }
        #expect(study.canonicalJSON() != other.canonicalJSON(), "it is part of the study because it is part of the bits")
    }

    @Test func reportsComeWithEachStep() throws {
        let session = try InversionFixtures.shared.get()
        var rows: [HistoryRow] = [], evaluated: [Int?] = []
        let segment = try session.train(session.initialState(), trial: 0, until: 6) { row, evaluation in
            rows.append(row)
            evaluated.append(evaluation?.step)
        }
        #expect(rows == segment.history && rows.allSatisfy { $0.seconds > 0 })
        #expect(evaluated == [0, 0, 0, 0, 5, 5])
    }
}

extension TrainedSegment {
    /// What its first state was.
    fileprivate var initialState: TrainingState { TrainingState(rows: state.rows, width: state.width, initial: state.initial) }
}
