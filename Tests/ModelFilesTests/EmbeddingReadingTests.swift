// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct EmbeddingReadingTests {
    @Test(
        arguments: [
            ("a1111.pt", .automatic1111), ("a1111-legacy.pt", .automatic1111), ("a1111-unnamed-model.pt", .automatic1111),
            ("a1111-half.pt", .automatic1111), ("a1111-bfloat16.pt", .automatic1111), ("a1111-double-legacy.pt", .automatic1111),
            ("a1111-strided.pt", .automatic1111), ("a1111-transposed-legacy.pt", .automatic1111), ("original.pt", .automatic1111),
            ("original-legacy.pt", .automatic1111), ("kohya.pt", .kohya), ("diffusers-parameter.bin", .diffusers),
            ("bare-tensor.pt", .bareTensor),
            ("kohya.safetensors", .kohya), ("kohya-half.safetensors", .kohya), ("kohya-bfloat16.safetensors", .kohya),
            ("onetrainer.safetensors", .oneTrainer), ("diffusers.safetensors", .diffusers),
        ] as [(String, EmbeddingFile.Format)])
    func everyLayoutGivesTheSameVectors(_ name: String, _ format: EmbeddingFile.Format) throws {
        let embedding = try EmbeddingFile.read(path: fixture("embeddings/\(name)"))
        #expect(embedding.rows == 3)
        #expect(embedding.width == 16)
        #expect(embedding.values == ramp(48))
        #expect(embedding.format == format)
        #expect(embedding.vectors.count == 3 && embedding.vectors[2] == Array(ramp(48)[32...]))
    }

    @Test(arguments: ["diffusers-one-vector.bin", "diffusers-one-vector.safetensors"])
    func aVectorWithoutRowsIsOneRow(_ name: String) throws {
        let embedding = try EmbeddingFile.read(path: fixture("embeddings/\(name)"))
        #expect(embedding.rows == 1 && embedding.width == 16)
        #expect(embedding.values == Array(ramp(48)[16..<32]))
        #expect(embedding.token == "<teal-heart>")
    }

    @Test func whatTrainersRecordIsKept() throws {
        let trained = try EmbeddingFile.read(path: fixture("embeddings/a1111.pt"))
        #expect(trained.name == "teal-heart")
        #expect(trained.token == nil)
        #expect(trained.step == 499)
        #expect(trained.modelHash == "6ce0161689")
        #expect(trained.modelName == "v1-5-pruned-emaonly")
        let unnamed = try EmbeddingFile.read(path: fixture("embeddings/a1111-unnamed-model.pt"))
        #expect(unnamed.modelHash == nil && unnamed.modelName == nil)
        let kohya = try EmbeddingFile.read(path: fixture("embeddings/kohya.safetensors"))
        #expect(kohya.name == "teal heart")
        #expect(kohya.token == "<teal-heart>")
        #expect(kohya.metadata.count == 2)
        let diffusers = try EmbeddingFile.read(path: fixture("embeddings/diffusers.safetensors"))
        #expect(diffusers.token == "<teal-heart>")
        let original = try EmbeddingFile.read(path: fixture("embeddings/original.pt"))
        #expect(original.name == nil && original.step == nil)
    }

    @Test(arguments: [
        ("sdxl.pt", "SDXL"), ("sdxl.safetensors", "SDXL"), ("lora.safetensors", "LoRA"),
        ("onetrainer-output.safetensors", "emp_params_out"),
        ("two-embeddings.pt", "holds 2 embeddings (\"*\", \"@\")"), ("a1111-expanded.pt", "contiguous copy"),
        ("three-keys.safetensors", "found the keys \"a\", \"b\", \"c\""), ("cube.safetensors", "shape [2, 3, 4]"),
        ("integers.safetensors", "I64"), ("function.pt", "not a tensor"), ("sparse.pt", "not supported"),
        ("model.ckpt", "found the keys \"state_dict\""),
    ])
    func otherFilesAreRefusedWithTheReason(_ name: String, _ complaint: String) {
        let error = #expect(throws: ModelFileError.self) { try EmbeddingFile.read(path: fixture("embeddings/\(name)")) }
        #expect(error?.description.contains(complaint) == true, "\(error?.description ?? "")")
        #expect(error?.path == fixture("embeddings/\(name)"))
    }

    @Test func filesOfAnotherKindAreNamedAsSuch() throws {
        let folder = try TemporaryFolder()
        for (bytes, complaint) in [
            ([], "neither"), ([1, 2, 3], "neither"), (Array("version https://git-lfs.github.com".utf8), "neither"),
            ([0x89, 0x50, 0x4E, 0x47, 0xD, 0xA], "picture"), (safeTensors("{}"), "found no keys"),
        ] as [([UInt8], String)] {
            let path = try folder.file("x.pt", bytes)
            let error = #expect(throws: ModelFileError.self) { try EmbeddingFile.read(path: path) }
            #expect(error?.description.contains(complaint) == true, "\(error?.description ?? "")")
        }
    }

    @Test(arguments: ["a1111.pt", "a1111-legacy.pt", "original-legacy.pt", "kohya.safetensors"])
    func noDamageCrashesTheReader(_ name: String) throws {
        var readable = 0
        try mutilate(bytes(of: fixture("embeddings/\(name)"))) { path, isCut in
            guard let embedding = try? EmbeddingFile.read(path: path) else { return }
            readable += 1
            #expect(!isCut)
            #expect(embedding.values.count == embedding.rows * embedding.width)
        }
        // Changed vectors and metadata are not damage.
        #expect(readable > 0)
    }
}
