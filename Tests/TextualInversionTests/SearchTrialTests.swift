// SPDX-License-Identifier: Apache-2.0
import Foundation
import StableDiffusion
import Studies
import Testing

@testable import TextualInversion

/// Trials of a search as the fleet sees them: drawn from the seed, found once and for all, judged alike.
@Suite struct SearchTrialTests {
    private func study(_ search: String, seed: UInt64 = 7, flip: String = "0.5") throws -> Study {
        let yaml = """
            study: s
            model: \(InversionFixtures.path("tiny"))
            pseudoword: {name: odd-thing, vectors: 3}
            data: {pictures: \(InversionFixtures.path("pictures")), flip: \(flip)}
            training: {steps: 4, batch: 3, seed: \(seed)}
            evaluate: {every: 2, samples: 7}
            search: {\(search)}
            """
        return try Study.parse(yaml: yaml, source: "s.yaml")
    }

    private let many =
        "method: random, trials: 10000, parameters: {training.learning_rate: {log_uniform: [1e-4, 1e-1]}, training.batch: {integer: [1, 16], log: true}, "
        + "pseudoword.vectors: {choice: [1, 2, 4, 8]}, data.flip: {uniform: [0, 1]}, training.optimizer.weight_decay: {uniform: [0, 0.1]}}"

    @Test func tenThousandTrialsResolveInNoTime() throws {
        let study = try study(many)
        let started = threadSeconds()
        try study.trials.check()
        let took = threadSeconds() - started
        #expect(took < 3, "a third of a second on a fast machine")
    }

    @Test func drawsCoverTheirRangesEvenly() throws {
        let trials = try study(many).trials
        var rates: [Double] = [], batches: [Int: Int] = [:], vectors: [Int: Int] = [:], flips: [Double] = []
        for trial in 0..<4000 {
            let study = try trials.study(trial)
            guard case .grammar(let text) = study.training.learningRate else { continue }
            rates.append(log10(try #require(Double(text))))
            batches[study.training.batch, default: 0] += 1
            vectors[study.pseudoword.vectors, default: 0] += 1
            flips.append(study.data.flip)
        }
        #expect(rates.count == 4000 && rates.allSatisfy { (-4...(-1)).contains($0) })
        #expect(abs(rates.reduce(0, +) / 4000 + 2.5) < 0.05 && abs(flips.reduce(0, +) / 4000 - 0.5) < 0.02)
        #expect(vectors.keys.sorted() == [1, 2, 4, 8] && vectors.values.allSatisfy { (850...1150).contains($0) })
        #expect(batches.keys.sorted() == Array(1...16))
        // Independent: the correlation of two parameters is that of 4000 random pairs.
        let pairs = zip(rates, flips).map { ($0 + 2.5) * ($1 - 0.5) }.reduce(0, +) / 4000
        #expect(abs(pairs) < 0.02)
    }

    /// These values are promised to everybody who has a study: a change of any of them is a change of results.
    @Test func drawsAreWrittenInStone() throws {
        let study = try study(many)
        let shown = [0, 1, 9999].map { study.trialParameters($0).map { "\($0.key)=\($0.value)" }.joined(separator: " ") }
        #expect(shown == Self.stone)
    }

    private static let stone = [
        "data.flip=0.0998378 pseudoword.vectors=4 training.batch=1 training.learning_rate=0.00046035 "
            + "training.optimizer.weight_decay=0.0271334",
        "data.flip=0.756008 pseudoword.vectors=8 training.batch=1 training.learning_rate=0.00265607 "
            + "training.optimizer.weight_decay=0.0109383",
        "data.flip=0.796055 pseudoword.vectors=4 training.batch=5 training.learning_rate=0.00443989 "
            + "training.optimizer.weight_decay=0.082078",
    ]

    @Test func drawsDependOnSeedTrialAndKeyAlone() throws {
        let one = try study("method: random, trials: 5, parameters: {data.flip: {uniform: [0, 1]}}")
        let more = try study(
            "method: random, trials: 50, parameters: {data.flip: {uniform: [0, 1]}, pseudoword.vectors: {integer: [1, 9]}}")
        let other = try study("method: random, trials: 5, parameters: {data.flip: {uniform: [0, 1]}}", seed: 8)
        for trial in 0..<5 {
            #expect(one.trialParameters(trial)[0] == more.trialParameters(trial)[0])
            #expect(one.trialParameters(trial)[0] != other.trialParameters(trial)[0])
            #expect(try one.trial(trial) == Study(json: one.canonicalJSON()).trial(trial))
        }
        #expect(Set((0..<5).map { one.trialParameters($0)[0].value }).count == 5)
    }

    @Test func evaluationSetIsTheSameForAllTrials() throws {
        let study = try study(
            "method: grid, parameters: {training.learning_rate: {choice: [0.1, 0.2]}, training.batch: {choice: [1, 5]}, "
                + "data.templates: {choice: [subject, style]}, data.latents: {choice: [sample, mean]}, data.flip: {choice: [0, 1]}}")
        let model = try LoadedModel(InversionFixtures.tiny)
        let shard = try LatentShard.encode(
            pictures: StudyFiles.list(study).filter { $0.role == .picture }.map(\.path), size: nil, flips: study.needsFlips,
            model: InversionFixtures.tiny)
        #expect(study.trialCount == 32)
        let sessions = try (0..<32).map { trial in
            let settings = try study.trial(trial)
            return try InversionSession(
                study: settings, model: model, dataSet: LatentDataSet(shards: [shard], flips: settings.data.flip > 0))
        }
        let vectors = sessions[0].initialState().vectors
        // One sample at a time, so that passes of other sizes do not round differently.
        let losses = try sessions.map { session in
            try (0..<session.evaluationSliceCount).flatMap { try session.evaluationSlice(vectors: vectors, slice: $0) }
        }
        for (session, others) in zip(sessions, losses) {
            #expect(others.count == 7)
            for (a, b) in zip(others, losses[0]) { #expect(abs(a / b - 1) < 1e-5, "\(session.study.canonicalJSON())") }
        }
        let first = try sessions[0].train(sessions[0].initialState(), trial: 0, until: 0).evaluations[0]
        for trial in 1..<4 {
            #expect(try sessions[0].train(sessions[0].initialState(), trial: trial, until: 0).evaluations[0] == first)
        }
    }

    @Test func trialsOfASearchTrain() throws {
        let study = try study("method: random, trials: 3, parameters: {training.learning_rate: {log_uniform: [1e-4, 1e-1]}}")
        let losses = try (0..<3).map { trial in
            let session = try InversionSession(study: study.trial(trial), folder: InversionFixtures.tiny)
            return try session.train(session.initialState(), trial: trial, until: 4).state.bestLoss
        }
        #expect(Set(losses).count == 3)
        refusal(.input) { try InversionSession(study: study, folder: InversionFixtures.tiny) }
    }

    @Test func checkLooksAtEveryTrial() throws {
        func check(_ parameters: String) throws -> Int {
            try StudyCheck.check(study("method: grid, parameters: {\(parameters)}"), folder: InversionFixtures.tiny)
        }
        #expect(try check("pseudoword.vectors: {choice: [1, 2]}, training.learning_rate: {choice: [0.1, 0.2]}") == 5)
        #expect(refusal(.prompt) { try check("pseudoword.vectors: {choice: [1, 75]}") }.contains("77"))
        #expect(throws: StudyError.self) { try check("training.batch: {choice: [1, 0]}") }
        #expect(throws: StudyError.self) { try check("data.templates: {choice: [subject, /nowhere.txt]}") }
    }
}
