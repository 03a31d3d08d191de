// SPDX-License-Identifier: Apache-2.0
import Foundation
import StableDiffusion
import Studies
import Testing

@testable import TextualInversion

/// Whole trainings held against plain PyTorch, which makes the same draws by itself.
///
/// On the machine where these numbers were made, all agree to about 2e-6 (losses), 1e-5 (gradient norms) and 1e-4 (vectors, whose error
/// Adam can multiply where a gradient is near zero). The tolerances leave room for other kinds of CPU.
@Suite struct TrainingParityTests {
    struct Reference: Decodable {
        struct Drawn: Decodable {
            let picture: Int, template: Int, timestep: Int
            let isFlipped: Bool
        }

        struct Step: Decodable {
            let samples: [Drawn]
            let tokens: [[Int]]
            let losses: [Double]
            let loss: Double, learningRate: Double, gradientNorm: Double, embeddingNorm: Double
            let vectors: [Float]
        }

        struct Evaluation: Decodable {
            let step: Int
            let loss: Double, standardError: Double
        }

        let trial: Int
        let initial: [Float]
        let steps: [Step]
        let evaluations: [Evaluation]
        let exponentialAverage: [Float], exponentialAverageOfSquares: [Float]
    }

    /// The starter model: noise prediction, new latents each time, gradients clipped by norm.
    ///
    /// The tiny one: v-prediction, latents drawn once, captions, padding of Stable Diffusion 2, uneven microbatches, a learning-rate
    /// list, weight decay, clipping by value, trial 3.
    static let names = ["starter", "tiny"]

    private func load(_ name: String) throws -> (session: InversionSession, reference: Reference) {
        let folder = try name == "starter" ? InversionFixtures.starter : InversionFixtures.tiny
        return (try InversionSession(study: InversionFixtures.study(name), folder: folder), try InversionFixtures.json("\(name).json"))
    }

    @Test(arguments: names) func drawsAndPromptsAreTheSame(_ name: String) throws {
        let (session, reference) = try load(name)
        let training = session.study.training
        let draws = SampleDraws(seed: training.seed, trial: reference.trial, batch: training.batch, flip: session.study.data.flip)
        for (step, expected) in reference.steps.enumerated() {
            let samples = draws.samples(
                step: step, pictures: session.dataSet.items.count, templates: session.prompts[0].count,
                timesteps: session.model.schedule.timestepCount)
            #expect(samples.map(\.picture) == expected.samples.map(\.picture))
            #expect(samples.map(\.isFlipped) == expected.samples.map(\.isFlipped))
            #expect(samples.map(\.template) == expected.samples.map(\.template))
            #expect(samples.map(\.timestep) == expected.samples.map(\.timestep))
            #expect(samples.map { session.prompts[$0.picture][$0.template] } == expected.tokens)
        }
    }

    @Test(arguments: names) func trainingIsThatOfTorch(_ name: String) throws {
        let (session, reference) = try load(name)
        let start = session.initialState()
        #expect(start.vectors == reference.initial)
        var state = start
        var (loss, gradient, norm, vectors) = (0.0, 0.0, 0.0, 0.0)
        for (index, expected) in reference.steps.enumerated() {
            let segment = try session.train(state, trial: reference.trial, until: index + 1)
            state = segment.state
            let row = try #require(segment.history.last)
            #expect(row.step == index + 1 && row.learningRate == expected.learningRate)
            loss = max(loss, abs(row.loss / expected.loss - 1))
            gradient = max(gradient, abs(Double(row.gradientNorm) / expected.gradientNorm - 1))
            norm = max(norm, abs(Double(row.embeddingNorm) / expected.embeddingNorm - 1))
            vectors = max(vectors, relativeError(state.vectors, expected.vectors))
            #expect(segment.isFinished == (index + 1 == reference.steps.count))
        }
        #expect(
            loss < 1e-4 && gradient < 2e-3 && norm < 1e-4 && vectors < 1e-3,
            "losses \(loss), norms \(gradient), \(norm), vectors \(vectors)")
        #expect(relativeError(state.exponentialAverage, reference.exponentialAverage) < 2e-3)
        #expect(relativeError(state.exponentialAverageOfSquares, reference.exponentialAverageOfSquares) < 2e-3)
        // The vectors have moved a thousand times further than they may disagree.
        #expect(relativeError(state.vectors, reference.initial) > 0.1)
    }

    @Test(arguments: names) func evaluationIsThatOfTorch(_ name: String) throws {
        let (session, reference) = try load(name)
        let segment = try session.train(session.initialState(), trial: reference.trial, until: reference.steps.count)
        #expect(segment.evaluations.map(\.step) == reference.evaluations.map(\.step))
        for (row, expected) in zip(segment.evaluations, reference.evaluations) {
            #expect(abs(row.loss / expected.loss - 1) < 1e-4, "step \(row.step): \(row.loss), expected \(expected.loss)")
            #expect(abs(row.standardError / expected.standardError - 1) < 1e-3, "step \(row.step)")
        }
        let best = reference.evaluations.min { $0.loss < $1.loss }
        #expect(segment.state.bestStep == best?.step)
    }
}
