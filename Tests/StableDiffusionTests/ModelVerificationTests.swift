// SPDX-License-Identifier: Apache-2.0
import ModelFiles
import StableDiffusion
import Tensors
import Testing

struct ModelVerificationTests {
    static let outputs = [
        "posterior_mean", "posterior_logvar", "latents", "noisy_latents", "encoder_hidden_states", "noise_prediction", "target",
        "loss_per_sample", "loss", "embedding_gradient", "decoded",
    ]

    @Test(arguments: ["sd1-square", "sd1-odd", "sd1-three", "sd2-square", "sd2-odd", "sd2-three"])
    func smallModelsComputeWhatPyTorchComputes(_ reference: String) throws {
        let model = try ModelFixtures.model(String(reference.prefix(3)))
        let results = try ModelVerification(model: model, reference: ModelFixtures.path("\(reference).safetensors")).run()
        #expect(results.map(\.name) == Self.outputs)
        // A tenth of what `model verify` allows: f32 is better than its tolerances.
        for result in results { #expect(result.relativeError <= result.tolerance / 10 && result.cosine > 0.999999, "\(result)") }
    }

    @Test func theStarterModelComputesWhatPyTorchComputes() throws {
        let results = try ModelVerification(model: ModelFixtures.starter, reference: ModelFixtures.path("starter.safetensors")).run()
        #expect(results.map(\.name) == Self.outputs.dropLast())
        for result in results { #expect(result.relativeError <= result.tolerance / 10, "\(result)") }
    }

    /// By the processor's own instruction or by what stands in for it.
    @Test(arguments: ["sd1-square", "sd1-odd", "sd1-three", "sd2-square", "sd2-odd", "sd2-three", "starter"])
    func bf16ComputesAboutWhatPyTorchComputesInF32(_ reference: String) throws {
        let model = try reference == "starter" ? ModelFixtures.starter : ModelFixtures.model(String(reference.prefix(3)))
        let results = try ModelVerification(
            model: model, reference: ModelFixtures.path("\(reference).safetensors"), precision: .bf16
        ).run()
        #expect(results.filter { ["noise_prediction", "embedding_gradient"].contains($0.name) }.count == 2)
        for result in results { #expect(result.passes && result.cosine > 0.999, "\(result)") }
        // It is not f32 under another name.
        #expect(results.contains { $0.name == "noise_prediction" && $0.relativeError > 1e-3 })
    }

    /// What is not kept is computed again by the same instructions.
    @Test(arguments: [ProductPrecision.f32, .bf16]) func littleMemoryDoesNotChangeABit(precision: ProductPrecision) throws {
        let verification = try ModelVerification(
            model: ModelFixtures.starter, reference: ModelFixtures.path("starter.safetensors"), precision: precision)
        let fast = try verification.run().map(\.relativeError)
        defer { Compute.memory = .fast }
        Compute.memory = .lean
        #expect(try verification.run().map(\.relativeError) == fast)
    }

    @Test func theNumberOfThreadsDoesNotChangeABit() throws {
        let verification = try ModelVerification(model: ModelFixtures.model("sd1"), reference: ModelFixtures.path("sd1-odd.safetensors"))
        defer { Compute.setThreads(1) }
        let results = try [1, 2, 3].map { threads in
            Compute.setThreads(threads)
            return try verification.run().map(\.relativeError)
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }

    @Test func aSlightlyDifferentModelIsFound() throws {
        let copy = try ModelCopy(of: "sd1")
        try copy.rewrite("unet/diffusion_pytorch_model.safetensors") { $0["up_blocks.3.resnets.2.norm2.bias"]?.values[3] += 0.05 }
        let results = try ModelVerification(
            model: ModelFolder(path: copy.path), reference: ModelFixtures.path("sd1-square.safetensors")
        ).run()
        let failed = Set(results.filter { !$0.passes }.map(\.name))
        #expect(failed.isSuperset(of: ["noise_prediction", "embedding_gradient"]))
        #expect(failed.isDisjoint(with: ["latents", "encoder_hidden_states", "noisy_latents", "target", "decoded"]))
    }

    @Test func aModelThatGivesNoNumbersDoesNotPass() throws {
        let copy = try ModelCopy(of: "sd1")
        try copy.rewrite("unet/diffusion_pytorch_model.safetensors") { $0["conv_out.bias"]?.values[0] = .nan }
        let results = try ModelVerification(model: ModelFolder(path: copy.path), reference: ModelFixtures.path("sd1-odd.safetensors")).run()
        #expect(results.first { $0.name == "noise_prediction" }?.passes == false)
        #expect(results.first { $0.name == "loss" }?.passes == false)
    }

    @Test func aReferenceOfAnotherModelIsRefused() throws {
        let other = try ModelVerification(model: ModelFixtures.model("sd1"), reference: ModelFixtures.path("sd2-square.safetensors"))
        expectOneLine(["sd2-square.safetensors", "v_prediction", "epsilon"]) { try other.run() }
        expectOneLine(["has no tensor pixel_values", "make_reference.py"]) {
            try ModelVerification(model: ModelFixtures.model("sd1"), reference: ModelFixtures.path("sd1-timesteps.safetensors")).run()
        }
        expectOneLine(["/nowhere.safetensors"]) {
            try ModelVerification(model: ModelFixtures.model("sd1"), reference: "/nowhere.safetensors")
        }
    }

    /// Reference files come from outside: nothing in them may stop the program.
    @Test(arguments: [
        ("input_ids", [1, 3], [0.0, 5, 500]), ("input_ids", [1, 2], [-1, 3]), ("input_ids", [1, 78], [Float](repeating: 1, count: 78)),
        ("input_ids", [3], [1, 2, 3]), ("embedding", [1, 8], [Float](repeating: 1, count: 8)), ("noise", [1, 4, 1, 1], [1, 2, 3, 4]),
        ("posterior_noise", [1, 4, 2, 2], [Float](repeating: 1, count: 16)), ("timesteps", [2], [1, 2]), ("timesteps", [1], [1000]),
        ("timesteps", [1], [-1]), ("pixel_values", [1, 1, 24, 40], [Float](repeating: 0, count: 960)),
        ("pixel_values", [1, 3, 4, 4], [Float](repeating: 0, count: 48)), ("pixel_values", [0, 3, 24, 40], []),
        ("input_ids", [2, 2], [1, 2, 3, 4]), ("decoded", [1, 3, 2, 2], [Float](repeating: 0, count: 12)),
    ])
    func misshapenReferencesAreErrors(_ name: String, _ shape: [Int], _ values: [Float]) throws {
        let copy = try ModelCopy(of: "sd1"), path = copy.path + "/reference.safetensors"
        let source = try SafeTensorsFile(path: ModelFixtures.path("sd1-odd.safetensors"))
        try HostileReference.write(source, replacing: name, shape: shape, values: values, to: path)
        expectOneLine([path]) { try ModelVerification(model: ModelFolder(path: copy.path), reference: path).run() }
    }
}
