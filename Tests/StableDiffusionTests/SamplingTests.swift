// SPDX-License-Identifier: Apache-2.0
import ModelFiles
import StableDiffusion
import Tensors
import Testing

struct SamplingTests {
    /// The timestep reaches the network through the time embedding alone; the two models order its waves differently.
    @Test(arguments: ["sd1", "sd2"])
    func timestepsFromFirstToLastAreEmbeddedAsDiffusersDoes(_ name: String) throws {
        let file = try SafeTensorsFile(path: ModelFixtures.path("\(name)-timesteps.safetensors"))
        let unet = try ModelFixtures.model(name).unet(), timesteps = try file.integers(named: "timesteps")
        #expect(timesteps == [0, 1, 500, 999])
        let latents = try ModelFixtures.tensor(file, "latents"), context = try ModelFixtures.tensor(file, "context")
        let prediction = unet.forward(latents, timesteps: timesteps, context: context)
        let expected = try ModelFixtures.tensor(file, "noise_prediction")
        for sample in 0..<4 {
            let error = ModelFixtures.relativeError(prediction.slice(sample..<sample + 1), expected.slice(sample..<sample + 1))
            #expect(error < 1e-5, "timestep \(timesteps[sample])")
        }
        var saved: UNet.Saved?
        #expect(unet.forward(latents, timesteps: timesteps, context: context, saving: &saved).values == prediction.values)
        #expect(saved != nil)
    }

    @Test func guidedSamplingOfTheStarterModelIsDiffusers() throws {
        let file = try SafeTensorsFile(path: ModelFixtures.path("starter-sampling.safetensors"))
        let model = try ModelFixtures.starter, unet = try model.unet()
        let ids = try file.integers(named: "input_ids")
        let context = try model.textEncoder().forward([Array(ids[..<77]), Array(ids[77...])])
        let scale = try #require(Float(file.metadata["guidance_scale"] ?? "")), sampler = DDIMSampler(try model.noiseSchedule(), steps: 5)
        #expect(sampler.timesteps == (try file.integers(named: "timesteps")))
        var latents = try ModelFixtures.tensor(file, "start")
        for timestep in sampler.timesteps {
            let both = Tensor(latents.values + latents.values, shape: [2] + latents.shape.dropFirst())
            let prediction = Guidance.combine(unet.forward(both, timesteps: [timestep, timestep], context: context), scale: scale)
            latents = sampler.step(latents, noisePrediction: prediction, timestep: timestep)
        }
        #expect(ModelFixtures.relativeError(latents, try ModelFixtures.tensor(file, "latents")) < 1e-4)
        let picture = try model.autoencoderDecoder().forward(latents)
        let pixels = Tensor(try file.integers(named: "pixels").map(Float.init), shape: [1, 3, 128, 128]).movingSecondAxisLast()
        #expect(picture.shape == pixels.shape)
        let largest = zip(picture.values, pixels.values).map { abs((min(max($0 / 2 + 0.5, 0), 1) * 255).rounded() - $1) }.max()
        #expect(largest ?? .infinity <= 1)
    }
}
