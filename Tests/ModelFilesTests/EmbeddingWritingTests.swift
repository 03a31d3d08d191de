// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ModelFiles

@Suite struct EmbeddingWritingTests {
    private let embedding = EmbeddingFile(
        name: "teal-heart", token: "<teal-heart>", rows: 3, width: 16, values: ramp(48), step: 499, modelHash: "6ce0161689",
        modelName: "v1-5")

    @Test func automatic1111FilesHoldExactlyTheSpecifiedPickle() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/x.pt"
        try EmbeddingFile(name: "né", rows: 2, width: 384, values: ramp(768), step: 70_000, modelHash: "0123456789").writeAutomatic1111(
            to: path)
        let expected =
            "\u{80}\u{2}}(X\u{F}\0\0\0string_to_token}X\u{1}\0\0\0*M\u{9}\u{1}s"
            + "X\u{F}\0\0\0string_to_param}X\u{1}\0\0\0*ctorch._utils\n_rebuild_tensor_v2\n"
            + "((X\u{7}\0\0\0storagectorch\nFloatStorage\nX\u{1}\0\0\00X\u{3}\0\0\0cpuM\0\u{3}tQ"
            + "K\0K\u{2}M\u{80}\u{1}\u{86}M\u{80}\u{1}K\u{1}\u{86}\u{89}ccollections\nOrderedDict\n)RtRs"
            + "X\u{4}\0\0\0nameX\u{3}\0\0\0n\u{C3}\u{A9}X\u{4}\0\0\0stepJ\u{70}\u{11}\u{1}\0"
            + "X\u{D}\0\0\0sd_checkpointX\u{A}\0\0\00123456789X\u{12}\0\0\0sd_checkpoint_nameNu."
        let zip = try ZipReader(MappedFile(path: path))
        #expect(try zip.bytes(of: #require(zip.entries["archive/data.pkl"])) == expected.unicodeScalars.map { UInt8($0.value) })
        #expect(try zip.bytes(of: #require(zip.entries["archive/data/0"])) == ramp(768).withUnsafeBytes { Array($0) })
        #expect(try zip.bytes(of: #require(zip.entries["archive/version"])) == Array("3\n".utf8))
        #expect(try zip.bytes(of: #require(zip.entries["archive/byteorder"])) == Array("little".utf8))
        #expect(try zip.range(of: #require(zip.entries["archive/data/0"])).lowerBound % 64 == 0)
    }

    @Test func automatic1111AcceptsEveryEntryName() throws {
        let folder = try TemporaryFolder()
        let zip = try ZipReader(MappedFile(path: folder.file("x.pt", embedding.automatic1111Bytes())))
        // The rule of AUTOMATIC1111 1.10's safe loader.
        let allowed = try Regex(#"([^/]+)/((data/\d+)|version|byteorder|.data/serialization_id|(data\.pkl))"#)
        for name in zip.entries.keys { #expect(name.wholeMatch(of: allowed) != nil) }
    }

    @Test func ourOwnFilesReadBack() throws {
        let folder = try TemporaryFolder()
        let (pt, kohya, diffusers) = (folder.path + "/a.pt", folder.path + "/a.safetensors", folder.path + "/learned_embeds.safetensors")
        try embedding.writeAutomatic1111(to: pt)
        try embedding.writeSafeTensors(to: kohya)
        try embedding.writeDiffusers(to: diffusers)
        let fromPt = try EmbeddingFile.read(path: pt)
        #expect(fromPt.values == embedding.values)
        #expect(fromPt.name == "teal-heart" && fromPt.step == 499 && fromPt.modelHash == "6ce0161689" && fromPt.modelName == "v1-5")
        let fromKohya = try EmbeddingFile.read(path: kohya)
        #expect(fromKohya.values == embedding.values && fromKohya.rows == 3)
        #expect(fromKohya.name == "teal-heart" && fromKohya.token == "teal-heart")
        let fromDiffusers = try EmbeddingFile.read(path: diffusers)
        #expect(fromDiffusers.values == embedding.values && fromDiffusers.token == "<teal-heart>")
        #expect(fromDiffusers.metadata == ["format": "pt"])
    }

    @Test func metadataFollowsModelSpec() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a.safetensors"
        try embedding.writeSafeTensors(
            to: path, architecture: .stableDiffusion2V, resolution: (768, 512), predictionType: "v", date: "2026-01-02T03:04:05")
        #expect(
            try SafeTensorsFile(path: path).metadata == [
                "modelspec.sai_model_spec": "1.0.1", "modelspec.architecture": "stable-diffusion-v2-768-v/textual-inversion",
                "modelspec.implementation": "https://github.com/Stability-AI/generative-models", "modelspec.title": "teal-heart",
                "modelspec.resolution": "768x512", "modelspec.prediction_type": "v", "modelspec.trigger_phrase": "teal-heart",
                "modelspec.date": "2026-01-02T03:04:05",
            ])
    }

    @Test func equalEmbeddingsGiveEqualBytes() throws {
        let folder = try TemporaryFolder()
        for index in 0..<2 {
            try embedding.writeAutomatic1111(to: folder.path + "/\(index).pt")
            try embedding.writeSafeTensors(to: folder.path + "/\(index).safetensors")
        }
        #expect(try bytes(of: folder.path + "/0.pt") == bytes(of: folder.path + "/1.pt"))
        #expect(try bytes(of: folder.path + "/0.safetensors") == bytes(of: folder.path + "/1.safetensors"))
    }

    @Test func theChecksumIsAutomatic1111s() {
        #expect(EmbeddingFile(rows: 1, width: 4, values: [0.013, -0.027, 0.5, -1.25]).automatic1111Checksum == "ac8e")
        #expect(EmbeddingFile(rows: 1, width: 1, values: [0]).automatic1111Checksum == "0000")
        #expect(EmbeddingFile(rows: 1, width: 2, values: [.nan, .infinity]).automatic1111Checksum == "0000")
    }
}
