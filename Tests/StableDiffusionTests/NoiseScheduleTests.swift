// SPDX-License-Identifier: Apache-2.0
import Foundation
import StableDiffusion
import Tensors
import Testing

struct NoiseScheduleTests {
    private struct Fixture: Decodable {
        struct Run: Decodable {
            struct Step: Decodable {
                let timestep: Int
                let latents: [Float], prediction: [Float], after: [Float]
            }
            let steps: Int
            let timesteps: [Int]
            let taken: [Step]
        }
        let name: String
        let places: [Int], alphas: [Double]
        let runs: [Run]
    }

    /// The fixture of a scheduler file by name, and the schedule that its configuration gives.
    private func load(_ name: String) throws -> (fixture: Fixture, schedule: NoiseSchedule) {
        let data = try Data(contentsOf: URL(fileURLWithPath: ModelFixtures.path("schedules.json")))
        let fixture = try #require(JSONDecoder().decode([Fixture].self, from: data).first { $0.name == name })
        let objects = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        let configuration = try #require(objects.first { $0["name"] as? String == name }?["configuration"])
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("pseudoword-scheduler-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: url) }
        try JSONSerialization.data(withJSONObject: configuration).write(to: url)
        return (fixture, try NoiseSchedule(path: url.path))
    }

    static let names = ["ddpm", "sd1", "sd2", "one", "linear"]

    @Test(arguments: names)
    func cumulativeAlphasAreDiffusers(_ name: String) throws {
        let (fixture, schedule) = try load(name)
        // diffusers multiplies in f32.
        for (place, alpha) in zip(fixture.places, fixture.alphas) {
            #expect(abs(schedule.alphasCumulativeProduct[place] / alpha - 1) < 1e-5, "timestep \(place)")
        }
        #expect(schedule.timestepCount == fixture.places.max().map { $0 + 1 })
        let alphas = schedule.alphasCumulativeProduct
        #expect(zip(alphas, alphas.dropFirst()).allSatisfy { $0 > $1 } && alphas[0] < 1 && alphas[alphas.count - 1] > 0)
    }

    @Test(arguments: names)
    func samplingTimestepsAreDiffusers(_ name: String) throws {
        let (fixture, schedule) = try load(name)
        for run in fixture.runs { #expect(DDIMSampler(schedule, steps: run.steps).timesteps == run.timesteps) }
    }

    @Test(arguments: names)
    func samplingStepsAreDiffusers(_ name: String) throws {
        let (fixture, schedule) = try load(name)
        for run in fixture.runs {
            let sampler = DDIMSampler(schedule, steps: run.steps)
            for step in run.taken {
                let after = sampler.step(
                    Tensor(step.latents, shape: [1, 4]), noisePrediction: Tensor(step.prediction, shape: [1, 4]), timestep: step.timestep)
                for (ours, theirs) in zip(after.values, step.after) {
                    #expect(abs(ours - theirs) <= 2e-5 * max(1, abs(theirs)), "\(run.steps) steps, timestep \(step.timestep)")
                }
            }
        }
    }

    /// With the true noise (or velocity) as the prediction, any number of steps leads back to the latents.
    @Test(arguments: ["one", "ddpm"])
    func truePredictionsLeadBackToTheLatents(_ name: String) throws {
        let schedule = try load(name).schedule
        let latents = RandomDraws(seed: 1, stream: .sampler).normalTensor([1, 2, 2, 4])
        let noise = RandomDraws(seed: 2, stream: .sampler).normalTensor([1, 2, 2, 4])
        let sampler = DDIMSampler(schedule, steps: 20)
        var current = schedule.noisyLatents(latents, noise: noise, timesteps: [sampler.timesteps[0]])
        for timestep in sampler.timesteps {
            current = sampler.step(
                current, noisePrediction: schedule.target(latents, noise: noise, timesteps: [timestep]), timestep: timestep)
        }
        #expect(ModelFixtures.relativeError(current, latents) < 1e-4)
    }

    @Test func everySampleHasItsOwnTimestep() throws {
        for name in ["ddpm", "sd2"] {
            let schedule = try load(name).schedule
            let latents = RandomDraws(seed: 3, stream: .sampler).normalTensor([3, 2, 1, 4])
            let noise = RandomDraws(seed: 4, stream: .sampler).normalTensor([3, 2, 1, 4]), timesteps = [0, 999, 400]
            let noisy = schedule.noisyLatents(latents, noise: noise, timesteps: timesteps).values
            let target = schedule.target(latents, noise: noise, timesteps: timesteps).values
            for (index, (z, e)) in zip(latents.values, noise.values).enumerated() {
                let alpha = schedule.alphasCumulativeProduct[timesteps[index / 8]]
                let (a, b) = (Float(alpha.squareRoot()), Float((1 - alpha).squareRoot()))
                #expect(abs(noisy[index] - (a * z + b * e)) < 1e-6)
                #expect(abs(target[index] - (name == "sd2" ? a * e - b * z : e)) < 1e-6)
            }
        }
    }

    @Test func guidanceMovesFromTheUnconditionalToAndBeyondTheConditional() {
        let both = Tensor([1, 2, 3, 5], shape: [2, 1, 1, 2])
        #expect(Guidance.combine(both, scale: 0).values == [1, 2])
        #expect(Guidance.combine(both, scale: 1).values == [3, 5])
        #expect(Guidance.combine(both, scale: 2.5).values == [6, 9.5])
        #expect(Guidance.combine(both, scale: 1).shape == [1, 1, 1, 2])
    }

    @Test func latentsAreTheMeanWithoutNoiseAndLogVariancesAreLimited() {
        let moments = LatentMoments(mean: Tensor([1, 2, 3], shape: [3]), logVariance: Tensor([0, 100, -100], shape: [3]))
        #expect(moments.latents(noise: nil, scalingFactor: 0.5).values == [0.5, 1, 1.5])
        let noisy = moments.latents(noise: Tensor([2, 1, 1], shape: [3]), scalingFactor: 0.5).values
        #expect(noisy[0] == 1.5 && abs(noisy[1] - (1 + Float(exp(10.0)) / 2)) < 0.01 && abs(noisy[2] - 1.5) < 1e-6)
    }
}
