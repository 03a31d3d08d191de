// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import StableDiffusion
import Testing

struct ModelFolderTests {
    private static let unetFile = "unet/diffusion_pytorch_model.safetensors"

    @Test func missingFoldersFilesAndOtherFoldersAreErrors() throws {
        expectOneLine(["/nowhere/model", "no such model", "diffusers layout"]) { try ModelFolder(path: "/nowhere/model") }
        expectOneLine(["sd1-odd.safetensors", "is a file"]) { try ModelFolder(path: ModelFixtures.path("sd1-odd.safetensors")) }
        expectOneLine([ModelFixtures.path(""), "unet/config.json"]) { try ModelFolder(path: ModelFixtures.path("")) }
    }

    @Test func stableDiffusionXLIsRefusedByName() throws {
        let copy = try ModelCopy(of: "sd1")
        try FileManager.default.createDirectory(atPath: copy.path + "/text_encoder_2", withIntermediateDirectories: false)
        expectOneLine([copy.path, "Stable Diffusion XL"]) { try ModelFolder(path: copy.path) }
    }

    @Test(arguments: [
        ("unet/diffusion_pytorch_model.safetensors", "mid_block.resnets.0.conv1.bias", "[16]"),
        ("unet/diffusion_pytorch_model.safetensors", "down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k.weight", "[8, 16]"),
        ("text_encoder/model.safetensors", "text_model.encoder.layers.1.mlp.fc1.weight", "[64, 16]"),
        ("vae/diffusion_pytorch_model.safetensors", "encoder.down_blocks.1.resnets.0.norm1.weight", "[8]"),
        ("vae/diffusion_pytorch_model.safetensors", "decoder.conv_out.weight", "[3, 8, 3, 3]"),
    ])
    func aMissingTensorIsNamedWithTheShapeItShouldHave(_ file: String, _ tensor: String, _ shape: String) throws {
        let copy = try ModelCopy(of: "sd1")
        try copy.rewrite(file) { $0[tensor] = nil }
        expectOneLine(["\(copy.path)/\(file)", tensor, shape]) { try loadAll(copy.path) }
    }

    @Test func anUnusedTensorIsNamed() throws {
        for file in [Self.unetFile, "text_encoder/model.safetensors", "vae/diffusion_pytorch_model.safetensors"] {
            let copy = try ModelCopy(of: "sd1")
            try copy.rewrite(file) {
                $0["extra.weight"] = ([2, 3], [Float](repeating: 1, count: 6))
                $0["extra.zero"] = ([1], [0])
            }
            expectOneLine(["\(copy.path)/\(file)", "extra.weight", "[2, 3]", "1 more"]) { try loadAll(copy.path) }
        }
    }

    @Test func aMisshapenTensorIsNamedWithBothShapes() throws {
        let copy = try ModelCopy(of: "sd1")
        try copy.rewrite(Self.unetFile) { $0["conv_in.weight"] = ([8, 4, 3, 2], [Float](repeating: 0, count: 192)) }
        expectOneLine(["\(copy.path)/\(Self.unetFile)", "conv_in.weight", "[8, 4, 3, 2]", "[8, 4, 3, 3]"]) { try loadAll(copy.path) }
    }

    @Test(arguments: [0, 7, 8, 100, 20_000, -1])
    func aTruncatedFileIsAnError(_ count: Int) throws {
        let copy = try ModelCopy(of: "sd1")
        try copy.truncate(Self.unetFile, to: count)
        expectOneLine(["\(copy.path)/\(Self.unetFile)"]) { try loadAll(copy.path) }
    }

    @Test func missingAndPickledWeightsAreErrors() throws {
        let copy = try ModelCopy(of: "sd1")
        try FileManager.default.removeItem(atPath: "\(copy.path)/\(Self.unetFile)")
        expectOneLine(["\(copy.path)/unet", "diffusion_pytorch_model.safetensors"]) { try loadAll(copy.path) }
        try Data([0x80, 2]).write(to: URL(fileURLWithPath: copy.path + "/unet/diffusion_pytorch_model.bin"))
        expectOneLine(["diffusion_pytorch_model.bin", "safetensors"]) { try loadAll(copy.path) }
    }

    @Test(arguments: ["unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"])
    func configurationsThatAreNotJSONObjectsAreErrors(_ file: String) throws {
        for text in ["", "{", "[]", "null", "\u{0}", "{\"a\": 1} {}"] {
            let copy = try ModelCopy(of: "sd1")
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(copy.path)/\(file)"))
            expectOneLine(["\(copy.path)/\(file)"]) { try loadAll(copy.path) }
        }
    }

    @Test func partsThatDoNotFitEachOtherAreAnError() throws {
        let copy = try ModelCopy(of: "sd1")
        try copy.set("text_encoder/config.json", "hidden_size", to: "32")
        expectOneLine([copy.path, "16", "32"]) { try ModelFolder(path: copy.path).unet() }
    }

    /// A list of what a network needs is what its file has: nothing is invented and nothing left out.
    @Test func theNetworksAskForWhatTheirFilesHold() throws {
        func expectSame(_ list: ParameterList, _ file: String, where belongs: (String) -> Bool = { _ in true }) throws {
            let file = try SafeTensorsFile(path: ModelFixtures.path(file))
            #expect(list.entries.map(\.name).sorted() == file.names.filter(belongs).sorted())
            for entry in list.entries { #expect(file.tensor(named: entry.name)?.shape == entry.shape, "\(entry.name)") }
        }
        for (model, file) in [
            ("sd1", "sd1/unet/diffusion_pytorch_model.safetensors"), ("sd2", "sd2/unet/diffusion_pytorch_model.fp16.safetensors"),
        ] {
            let list = ParameterList()
            _ = try UNet(ModelFixtures.model(model).unetConfiguration(), Parameters(list))
            try expectSame(list, file)
        }
        let text = ParameterList(), autoencoder = ParameterList()
        _ = try TextEncoder(ModelFixtures.model("sd1").textEncoderConfiguration(), Parameters(text))
        try expectSame(text, "sd1/text_encoder/model.safetensors") { !$0.hasSuffix("position_ids") }
        let configuration = try ModelFixtures.model("sd2").autoencoderConfiguration()
        _ = try AutoencoderEncoder(configuration, Parameters(autoencoder))
        _ = try AutoencoderDecoder(configuration, Parameters(autoencoder))
        try expectSame(autoencoder, "sd2/vae/diffusion_pytorch_model.fp16.safetensors")
    }

    private func loadAll(_ path: String) throws { try ModelFixtures.loadAll(path) }
}

extension ModelFixtures {
    /// Reads every part of a model but the tokenizer.
    static func loadAll(_ path: String) throws {
        let model = try ModelFolder(path: path)
        _ = try model.noiseSchedule()
        _ = try model.textEncoder()
        _ = try model.unet()
        _ = try model.autoencoderEncoder()
        _ = try model.autoencoderDecoder()
    }
}
