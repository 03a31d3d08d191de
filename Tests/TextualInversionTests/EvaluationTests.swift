// SPDX-License-Identifier: Apache-2.0
import StableDiffusion
import Studies
import Tensors
import Testing

@testable import TextualInversion

@Suite struct EvaluationTests {
    private let session: InversionSession
    private let vectors: Tensor

    init() throws {
        session = try InversionFixtures.shared.get()
        vectors = Tensor(session.initialState().vectors, shape: [3, 16])
    }

    private func set(
        samples: Int = 7, microbatch: Int = 2, seed: UInt64 = 1, usesMean: Bool = false, seen: (Int, Int) -> Void = { _, _ in }
    ) -> EvaluationSet {
        EvaluationSet(
            dataSet: session.dataSet, model: session.model, samples: samples, microbatch: microbatch, seed: seed, usesMean: usesMean
        ) {
            seen($0, $1)
            return session.prompts[$1][0]
        }
    }

    private func evaluate(_ set: EvaluationSet) throws -> EvaluationSet.Result {
        try #require(set.evaluate(session.model, vectors: vectors))
    }

    @Test func sameSeedGivesTheSameLoss() throws {
        let first = try evaluate(set())
        #expect(try evaluate(set()) == first)
        #expect(first.samples == 7 && first.loss > 0 && first.standardError > 0)
        #expect(try evaluate(set(seed: 2)).loss != first.loss)
        #expect(try evaluate(set(samples: 8)).loss != first.loss)
        #expect(try evaluate(set(usesMean: true)).loss != first.loss)
    }

    @Test func asManyPassesAsItTakesGiveTheSameLoss() throws {
        let first = try evaluate(set())
        for microbatch in [1, 3, 7, 100] {
            let other = try evaluate(set(microbatch: microbatch))
            #expect(abs(other.loss / first.loss - 1) < 1e-6 && abs(other.standardError / first.standardError - 1) < 1e-5)
        }
    }

    @Test func eachSampleAsksForItsPrompt() {
        var seen: [[Int]] = []
        _ = set(samples: 12) { seen.append([$0, $1]) }
        #expect(seen == (0..<12).map { [$0, $0 % 5] })
    }

    @Test func promptsTakeTurns() throws {
        // Sample k of the study's own set takes picture k % 5 and template k / 5 % 3, so seven samples see two templates.
        let templates = session.prompts[0].count
        #expect(templates == 3)
        let own = EvaluationSet(
            dataSet: session.dataSet, model: session.model, samples: 7, microbatch: 2, seed: session.study.training.seed
        ) { session.prompts[$1][$0 / 5 % templates] }
        let segment = try session.train(session.initialState(), trial: 0, until: 0)
        #expect(try segment.evaluations.first?.loss == evaluate(own).loss)
    }

    @Test func oneSampleHasNoStandardError() throws {
        let result = try evaluate(set(samples: 1))
        #expect(result.standardError == 0 && result.samples == 1)
    }

    /// The parts of a set with one sample each are not those of a larger set, but the spread of many seeds must not exceed what one set claims.
    @Test func standardErrorIsThatOfTheMean() throws {
        let results = try (0..<40).map { try evaluate(set(samples: 4, microbatch: 4, seed: $0)) }
        let mean = results.map(\.loss).reduce(0, +) / 40
        let spread = (results.map { ($0.loss - mean) * ($0.loss - mean) }.reduce(0, +) / 39).squareRoot()
        let claimed = (results.map { $0.standardError * $0.standardError }.reduce(0, +) / 40).squareRoot()
        #expect(spread > 0 && spread < 1.35 * claimed, "spread \(spread), claimed \(claimed)")
    }

    @Test func cancelledEvaluationIsNothing() {
        let set = set()
        for limit in 1...4 {
            var calls = 0
            let result = set.evaluate(session.model, vectors: vectors) {
                calls += 1
                return calls == limit
            }
            #expect(result == nil && calls == limit)
        }
        #expect(set.evaluate(session.model, vectors: vectors, isCancelled: { false }) != nil)
    }

    @Test func bestVectorsAreThoseOfTheLowestLoss() throws {
        let session = try InversionFixtures.tinySession {
            $0.training.learningRate = .grammar("0.3")
            $0.evaluation.every = 2
        }
        var state = session.initialState(), kept: [Int: [Float]] = [0: state.vectors], losses: [Int: Double] = [:]
        for step in 1...12 {
            let segment = try session.train(state, trial: 0, until: step)
            state = segment.state
            kept[step] = state.vectors
            for row in segment.evaluations { losses[row.step] = row.loss }
            let best = try #require(losses.min { ($0.value, $0.key) < ($1.value, $1.key) })
            #expect(state.bestStep == best.key && state.bestLoss == best.value && state.best == kept[best.key])
        }
        #expect(losses.keys.sorted() == [0, 2, 4, 6, 8, 10, 12])
    }

    private func evaluate(_ prompt: String, word: PseudoWord? = nil, seed: UInt64 = 0) throws -> EvaluationSet.Result {
        try PromptEvaluation.evaluate(
            prompt: prompt, word: word, pictures: InversionFixtures.path("pictures"), model: InversionFixtures.tiny, samples: 6, seed: seed)
    }

    @Test func wordWithTheRowsOfKnownWordsIsTheirPrompt() throws {
        let tokenizer = try InversionFixtures.tiny.tokenizer()
        let rows = session.model.textEncoder.embedding.forward(tokenizer.encode("red dog"), learned: nil)
        let plain = try evaluate("a photo of a red dog on top")
        #expect(try evaluate("a photo of a <odd-thing> on top", word: PseudoWord(name: "odd-thing", vectors: rows)) == plain)
        #expect(try evaluate("a photo of a red dog on top", seed: 1) != plain)
        #expect(try evaluate("a photo of a cat on top") != plain)
    }

    @Test func promptsThatCannotBeEvaluatedAreRefused() throws {
        let word = PseudoWord(name: "odd-thing", vectors: vectors)
        #expect(refusal(.prompt) { try evaluate("a cat", word: word) }.contains("a cat"))
        refusal(.prompt) { try evaluate(String(repeating: "cat ", count: 80)) }
        let broken = PseudoWord(name: "odd-thing", vectors: Tensor(Array(repeating: .nan, count: 16), shape: [1, 16]))
        #expect(refusal(.numeric) { try evaluate("a [name]", word: broken) }.contains("a [name]"))
    }
}
