// SPDX-License-Identifier: Apache-2.0
import Foundation
import ProcessTesting
import Testing

/// Models that are damaged or belong together no more.
struct ModelFileTests {
    let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    private func evaluate(_ model: String) async throws -> Outcome {
        try await folder.run(
            "evaluate", "--model", model, "--pictures", SourceTree.starterPictures, "--prompt", "a photo", "--samples", "1")
    }

    private func change(_ file: String, _ body: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: SourceTree.starterModel + "/" + file))
        body(&data)
        try folder.copy(SourceTree.starterModel, to: "model")
        try folder.write(data, to: "model/" + file)
    }

    @Test func aMissingFolderIsNotFound() async throws {
        for command in [
            ["model", "show", "nowhere"], ["bench", "step", "--model", "nowhere"], ["model", "verify", "nowhere", "r.safetensors"],
        ] {
            expectOneLine(try await folder.run(command), Status.notFound, "nowhere", "no such model", "diffusers")
        }
        expectOneLine(try await evaluate("nowhere"), Status.notFound, "nowhere", "no such model")
    }

    @Test func anInterruptedRandomModelLeavesNothing() async throws {
        let program = try RunningProgram.pseudoword(["model", "random", "sd15", "m", "--half"], in: folder)
        try await eventually("it writes weights") { folder.exists(".m.partial/text_encoder/config.json") }
        program.signal(SIGINT)
        let outcome = try await program.wait()
        #expect(outcome.status == 130 && outcome.errorLines.count == 1, "\(outcome)")
        #expect(folder.contents().isEmpty)
    }

    @Test func aFolderWithoutAModelSaysWhatIsMissing() async throws {
        try folder.makeFolder("empty")
        expectOneLine(try await evaluate("empty"), Status.failed, "empty", "config.json")
    }

    @Test(arguments: ["unet/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"])
    func aTruncatedFileIsNamed(_ name: String) async throws {
        try change(name + ".safetensors") { $0.removeLast(1000) }
        expectOneLine(try await evaluate("model"), Status.failed, "model/\(name).safetensors")
    }

    @Test func aFileOfRandomBytesIsNamed() async throws {
        try change("unet/diffusion_pytorch_model.safetensors") { $0 = Data(rubbish(5000)) }
        expectOneLine(try await evaluate("model"), Status.failed, "unet/diffusion_pytorch_model.safetensors", "header")
    }

    @Test func aTensorOfAnotherShapeIsNamedWithBothShapes() async throws {
        let (right, wrong) = (
            Data(#""conv_in.weight":{"dtype":"F16","shape":[64,4,3,3]"#.utf8),
            Data(#""conv_in.weight":{"dtype":"F16","shape":[4,64,3,3]"#.utf8)
        )
        try change("unet/diffusion_pytorch_model.safetensors") { data in
            if let place = data.range(of: right) { data.replaceSubrange(place, with: wrong) }
        }
        expectOneLine(
            try await evaluate("model"), Status.failed, "unet/diffusion_pytorch_model.safetensors", "conv_in.weight", "[4, 64, 3, 3]",
            "[64, 4, 3, 3]")
    }

    @Test func aMissingTensorIsNamed() async throws {
        try change("text_encoder/model.safetensors") { data in
            if let place = data.range(of: Data("embeddings.position_embedding.weight".utf8)) {
                data.replaceSubrange(place, with: Data("embeddings.position_embedding.weighs".utf8))
            }
        }
        expectOneLine(try await evaluate("model"), Status.failed, "text_encoder/model.safetensors", "embeddings.position_embedding.weight")
    }

    @Test func aConfigurationOfRandomBytesIsNamed() async throws {
        try change("unet/config.json") { $0 = Data(rubbish(500)) }
        expectOneLine(try await evaluate("model"), Status.failed, "unet/config.json")
    }

    /// Found before anything is computed or written: with a repaired model the same command trains.
    @Test func trainingOnADamagedModelIsRefused() async throws {
        try change("unet/diffusion_pytorch_model.safetensors") { $0.removeLast(1000) }
        try folder.write(StudyText { $0.model = "model" }.yaml, to: "study.yaml")
        for command in [["train", "study.yaml", "--quiet"], ["submit", "study.yaml", "--check"]] {
            expectOneLine(try await folder.run(command), Status.failed, "unet/diffusion_pytorch_model.safetensors", "cut short")
        }
        #expect(!folder.contents().contains("tiny.pseudoword"))
    }

    @Test func aReferenceThatIsNoneIsRefused() async throws {
        expectOneLine(
            try await folder.run("model", "verify", "starter", "nowhere.safetensors"), Status.notFound, "nowhere.safetensors",
            "No such file")
        try folder.write(rubbish(500), to: "rubbish.safetensors")
        expectOneLine(
            try await folder.run("model", "verify", "starter", "rubbish.safetensors"), Status.failed, "rubbish.safetensors", "header")
        let other = SourceTree.fixture("embeddings/diffusers.safetensors")
        expectOneLine(
            try await folder.run("model", "verify", "starter", other), Status.failed, "diffusers.safetensors", "no tensor",
            "make_reference.py")
    }
}
