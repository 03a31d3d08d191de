// SPDX-License-Identifier: Apache-2.0
import Studies
import Tensors
import Testing

@testable import TextualInversion

@Suite struct SampleDrawsTests {
    private let draws = SampleDraws(seed: 5, trial: 2, batch: 4, flip: 0.25)

    private func describe(_ samples: [Sample]) -> [[Int]] { samples.map { [$0.picture, $0.isFlipped ? 1 : 0, $0.template, $0.timestep] } }

    private func samples(_ draws: SampleDraws, _ step: Int) -> [[Int]] {
        describe(draws.samples(step: step, pictures: 7, templates: 5, timesteps: 1000))
    }

    @Test func stepsMayBeDrawnInAnyOrder() {
        let forward = (0..<20).map { samples(draws, $0) }
        let backward = (0..<20).reversed().map { samples(draws, $0) }
        #expect(forward == backward.reversed())
        #expect(samples(SampleDraws(seed: 5, trial: 2, batch: 4, flip: 0.25), 13) == forward[13])
        #expect(Set(forward).count == 20)
    }

    @Test func seedTrialAndStepChangeEverything() {
        let others = [SampleDraws(seed: 6, trial: 2, batch: 4, flip: 0.25), SampleDraws(seed: 5, trial: 3, batch: 4, flip: 0.25)]
        for other in others {
            #expect((0..<5).map { samples(other, $0) } != (0..<5).map { samples(draws, $0) })
            #expect(
                other.noise(step: 0, sample: 0, shape: [1, 2, 2, 4]).values != draws.noise(step: 0, sample: 0, shape: [1, 2, 2, 4]).values)
        }
    }

    /// Batches that divide the pictures, that do not, and larger ones.
    @Test(arguments: [(4, 7), (1, 5), (5, 5), (3, 1), (16, 3), (4, 8)]) func epochShowsEachPictureOnce(_ batch: Int, _ pictures: Int) {
        let draws = SampleDraws(seed: 1, trial: 0, batch: batch, flip: 0)
        let order = (0..<pictures * 6).flatMap { draws.samples(step: $0, pictures: pictures, templates: 1, timesteps: 10).map(\.picture) }
        var epochs: Set<[Int]> = []
        for first in stride(from: 0, to: order.count, by: pictures) {
            let epoch = Array(order[first..<first + pictures])
            #expect(epoch.sorted() == Array(0..<pictures))
            epochs.insert(epoch)
        }
        if pictures >= 5 { #expect(epochs.count > 3, "the order changes") }
    }

    @Test(arguments: [(1, 1000), (4, 1000), (7, 1000), (16, 16), (3, 10)]) func stepCoversTheWholeSchedule(_ batch: Int, _ timesteps: Int) {
        let draws = SampleDraws(seed: 9, trial: 1, batch: batch, flip: 0)
        var firstParts: Set<Int> = []
        for step in 0..<200 {
            let drawn = draws.samples(step: step, pictures: 3, templates: 2, timesteps: timesteps).map(\.timestep)
            #expect(drawn.allSatisfy { (0..<timesteps).contains($0) })
            for (part, timestep) in drawn.sorted().enumerated() {
                // A part's edge may fall within a timestep.
                #expect(
                    timestep >= part * timesteps / batch && timestep <= ((part + 1) * timesteps - 1) / batch, "part \(part) of \(batch)")
            }
            firstParts.insert(drawn[0] * batch / timesteps)
        }
        #expect(firstParts.count == batch, "any sample may fall into any part")
    }

    @Test func eachSampleIsUniform() {
        let steps = 4000
        var (flips, timestep, templates) = (0, 0.0, [0, 0, 0, 0, 0])
        for step in 0..<steps {
            let sample = draws.samples(step: step, pictures: 7, templates: 5, timesteps: 1000)[1]
            flips += sample.isFlipped ? 1 : 0
            timestep += Double(sample.timestep)
            templates[sample.template] += 1
        }
        // Within five standard errors.
        #expect(abs(Double(flips) / Double(steps) - 0.25) < 0.035)
        #expect(abs(timestep / Double(steps) - 499.5) < 23)
        #expect(templates.allSatisfy { abs(Double($0) / Double(steps) - 0.2) < 0.032 })
    }

    @Test func flipRatesOfNoneAndAllAreExact() {
        for (rate, expected) in [(0.0, false), (1.0, true)] {
            let draws = SampleDraws(seed: 3, trial: 0, batch: 8, flip: rate)
            #expect(
                (0..<100).allSatisfy {
                    draws.samples(step: $0, pictures: 2, templates: 1, timesteps: 10).allSatisfy { $0.isFlipped == expected }
                })
        }
    }

    @Test func noiseIsNormalAndNeverRepeats() {
        let shape = [1, 16, 16, 4]
        let all = (0..<4).flatMap { step in (0..<4).map { draws.noise(step: step, sample: $0, shape: shape).values } }
        #expect(Set(all).count == 16)
        let values = all.flatMap(\.self).map(Double.init)
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
        #expect(abs(mean) < 0.04 && abs(variance - 1) < 0.06)
    }

    @Test func latentsOfEachModeAreDrawnAsTheyShould() throws {
        let shape = [1, 2, 2, 4]
        func drawn(_ mode: LatentDraw, step: Int, sample: Int, picture: Int, _ draws: SampleDraws) -> [Float]? {
            draws.posteriorNoise(mode, step: step, sample: sample, picture: picture, shape: shape)?.values
        }
        let other = SampleDraws(seed: 5, trial: 9, batch: 4, flip: 0.25)
        #expect(drawn(.mean, step: 0, sample: 0, picture: 0, draws) == nil)

        let once = try #require(drawn(.once, step: 0, sample: 0, picture: 1, draws))
        #expect(drawn(.once, step: 8, sample: 3, picture: 1, draws) == once)
        #expect(drawn(.once, step: 8, sample: 3, picture: 1, other) == once, "trials share the latents")
        #expect(drawn(.once, step: 0, sample: 0, picture: 2, draws) != once)

        let sampled = try #require(drawn(.sample, step: 0, sample: 0, picture: 1, draws))
        #expect(drawn(.sample, step: 0, sample: 0, picture: 2, draws) == sampled, "addressed by place, not by picture")
        #expect(
            drawn(.sample, step: 1, sample: 0, picture: 1, draws) != sampled
                && drawn(.sample, step: 0, sample: 1, picture: 1, draws) != sampled)
        #expect(drawn(.sample, step: 0, sample: 0, picture: 1, other) != sampled)
        #expect(sampled != draws.noise(step: 0, sample: 0, shape: shape).values && sampled != once)
    }
}
