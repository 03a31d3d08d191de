// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import Pictures
import StableDiffusion
import Studies
import Tensors
import Testing

@testable import TextualInversion

/// Latents that are encoded in parts, anywhere, and put together are those of the folder.
@Suite struct LatentShardTests {
    private let model: ModelFolder
    private let pictures: [String]

    init() throws {
        model = try InversionFixtures.tiny
        pictures = try PictureFolder.list(InversionFixtures.path("pictures"))
    }

    private func shards(_ cuts: [Range<Int>], flips: Bool = true, size: PictureSize? = nil) throws -> [LatentShard] {
        try cuts.map { cut in
            let shard = try LatentShard.encode(pictures: Array(pictures[cut]), size: size, flips: flips, model: model)
            return try LatentShard(bytes: shard.encoded())
        }
    }

    @Test(arguments: [[0..<5], [0..<2, 2..<5], [0..<1, 1..<2, 2..<3, 3..<4, 4..<5]]) func partsMakeTheWhole(cuts: [Range<Int>]) throws {
        for flips in [false, true] {
            let folder = try LatentDataSet(folder: InversionFixtures.path("pictures"), size: nil, flips: flips, model: model)
            let parts = try LatentDataSet(shards: shards(cuts, flips: flips), flips: flips)
            #expect(parts.digest == folder.digest && parts.latentSize == folder.latentSize && parts.scalingFactor == folder.scalingFactor)
            #expect(parts.size == folder.size)
            #expect(parts.items.map(\.file) == folder.items.map { $0.file.split(separator: "/").last.map(String.init) ?? "" })
            for (part, item) in zip(parts.items, folder.items) {
                #expect(part.caption == item.caption && part.pixels == item.pixels && part.pixels.count == 32)
                #expect(part.moments.mean.values == item.moments.mean.values && part.moments.mean.shape == item.moments.mean.shape)
                #expect(part.moments.logVariance.values == item.moments.logVariance.values)
                #expect(part.flipped?.mean.values == item.flipped?.mean.values && (part.flipped != nil) == flips)
                #expect(part.flipped?.logVariance.values == item.flipped?.logVariance.values)
            }
        }
    }

    @Test func bytesAreTheSameWhoeverEncodes() throws {
        let bytes = try LatentShard.encode(pictures: pictures, size: nil, flips: true, model: model).encoded()
        let copy = try TemporaryFolder(copying: InversionFixtures.path("pictures"))
        let elsewhere = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        let encoder = try LatentEncoder(ModelFolder(path: elsewhere.path), size: nil, flips: true)
        #expect(try LatentShard.encode(pictures: PictureFolder.list(copy.path), with: encoder).encoded() == bytes)
        #expect(try LatentShard(bytes: bytes).encoded() == bytes, "what is read is written again alike")
        try Data(bytes).write(to: URL(fileURLWithPath: copy.file("shard")))
        #expect(try LatentShard(path: copy.file("shard")).encoded() == bytes)
    }

    @Test func nothingComesOfAnAutoencoderThatIsWrittenInPlace() throws {
        let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        let copy = try ModelFolder(path: folder.path), file = try copy.autoencoderWeightFile()
        let encoder = try LatentEncoder(copy, size: nil, flips: false), generator = try PictureGenerator(copy)
        var settings = PictureGenerator.Settings()
        settings.steps = 1
        _ = try LatentShard.encode(pictures: pictures, with: encoder)
        _ = try generator.generate("a cat", word: nil, settings: settings)
        let handle = try #require(FileHandle(forWritingAtPath: file))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data([0]))
        try handle.close()
        let encoding = #expect(throws: ModelFileError.self) { try LatentShard.encode(pictures: pictures, with: encoder) }
        let generation = #expect(throws: ModelFileError.self) { try generator.generate("a cat", word: nil, settings: settings) }
        #expect(encoding?.code == .changed && generation?.code == .changed && encoding?.path == file && generation?.path == file)
    }

    @Test func shardsTrainWithTheSameBitsAndWithoutAutoencoder() throws {
        let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        let session = try InversionFixtures.shared.get(), shards = try shards([0..<2, 2..<5])
        try FileManager.default.removeItem(atPath: folder.file(model.autoencoderWeights()))
        let place = try ModelFolder(path: folder.path)
        #expect(throws: ModelError.self, "the digest needs every file") {
            try InversionSession(study: InversionFixtures.tinyStudy(), folder: place, shards: shards)
        }
        let study = try InversionFixtures.tinyStudy { $0.data.pictures = "/nowhere" }
        let other = try InversionSession(study: study, folder: place, shards: shards, modelDigest: session.modelDigest)
        #expect(other.dataDigest == session.dataDigest && other.modelDigest == session.modelDigest)
        let (a, b) = (
            try session.train(session.initialState(), trial: 1, until: 6), try other.train(other.initialState(), trial: 1, until: 6)
        )
        #expect(a.state == b.state && a.timeless == b.timeless && a.evaluations == b.evaluations)
    }

    @Test func trialsShareModelAndLatents() throws {
        let loaded = try LoadedModel(model), shards = try shards([0..<5])
        for flip in [0, 0.5] {
            let study = try InversionFixtures.tinyStudy { $0.data.flip = flip }
            let shared = try InversionSession(study: study, model: loaded, dataSet: LatentDataSet(shards: shards, flips: flip > 0))
            let own = try InversionSession(study: study, folder: model)
            #expect(shared.dataDigest == own.dataDigest, "mirrored pictures that a trial does not use do not count")
            #expect(shared.modelDigest == own.modelDigest)
            let states = try [shared, own].map { try $0.train($0.initialState(), trial: 0, until: 3).state }
            #expect(states[0] == states[1])
        }
    }

    @Test func shardsThatDoNotFitAreRefused() throws {
        refusal(.input) { try LatentDataSet(shards: [], flips: false) }
        let (plain, mirrored) = (try shards([0..<2], flips: false), try shards([2..<5], flips: true))
        #expect(refusal(.input) { try LatentDataSet(shards: mirrored + plain, flips: true) }.contains("01-red_box.png"))
        #expect(try LatentDataSet(shards: plain + mirrored, flips: false).items.count == 5)
        let large = try shards([0..<2], size: PictureSize(width: 64, height: 64))
        refusal(.input) { try LatentDataSet(shards: mirrored + large, flips: true) }
        let line = refusal(.input) { try InversionSession(study: InversionFixtures.tinyStudy(), folder: model, shards: large) }
        #expect(line.contains("64 x 64"))
        let study = try InversionFixtures.tinyStudy { $0.data.resolution = PictureSize(width: 64, height: 64) }
        #expect(try InversionSession(study: study, folder: model, shards: large).dataSet.latentSize == [8, 8])
        refusal(.input) { try InversionSession(study: study, folder: model, shards: mirrored) }
    }

    @Test func partsHaveSixteenPictures() {
        #expect(LatentDataSet.parts(0).isEmpty)
        #expect(LatentDataSet.parts(16) == [0..<16] && LatentDataSet.parts(17) == [0..<16, 16..<17])
        #expect(LatentDataSet.parts(100).map(\.count) == [16, 16, 16, 16, 16, 16, 4])
    }

    @Test func encodingStopsBetweenPictures() {
        var calls = 0
        refusal(.cancelled) {
            try LatentShard.encode(pictures: pictures, size: nil, flips: false, model: model) {
                calls += 1
                return calls == 3
            }
        }
        #expect(calls == 3)
    }

    private func isRefused(_ bytes: [UInt8]) -> Bool {
        do {
            _ = try LatentShard(bytes: bytes, name: "shard")
            return false
        } catch {
            let line = "\(error)"
            return (error is InversionError || error is ModelFileError) && !line.isEmpty && !line.contains { $0.isNewline }
        }
    }

    @Test func hostileShardsAreRefused() throws {
        let shard = try shards([0..<2], flips: true)[0], bytes = shard.encoded()
        #expect(!isRefused(bytes))
        #expect(isRefused([]) && isRefused([1]) && isRefused(Array("no shard at all".utf8)))
        for count in stride(from: 0, to: bytes.count, by: 97) { #expect(isRefused(Array(bytes.prefix(count)))) }
        #expect(isRefused(bytes + [0]))
        var poisoned = bytes
        for (i, byte) in withUnsafeBytes(of: Float.nan.bitPattern.littleEndian, Array.init).enumerated() {
            poisoned[bytes.count - 4 + i] = byte
        }
        #expect(isRefused(poisoned))

        let values = [Float](repeating: 0, count: 2 * 4 * 4 * 4), shape = [2, 4, 4, 4]
        func file(
            _ change: (inout [String: String]) -> Void = { _ in }, names: [String] = ["mean", "log_variance"], shape: [Int] = shape
        ) -> [UInt8] {
            let item = "{\"file\":\"a.png\",\"caption\":\"a\",\"pixels\":\"\(String(repeating: "0a", count: 32))\"}"
            var metadata = [
                "format": "pseudoword-latents", "version": "1", "width": "32", "height": "32", "scaling_factor": "0.5",
                "items": "[\(item),\(item)]",
            ]
            change(&metadata)
            return SafeTensorsWriter.bytes(tensors: names.map { (name: $0, shape: shape, values: values) }, metadata: metadata)
        }
        #expect(!isRefused(file()))
        for key in ["format", "version", "width", "height", "scaling_factor", "items"] {
            #expect(isRefused(file { $0[key] = nil }), "\(key)")
        }
        for (key, value) in [
            ("format", "other"), ("version", "2"), ("width", "0"), ("width", "-32"), ("width", "40"), ("height", "99999999999999999999"),
            ("height", "64"), ("scaling_factor", "nan"), ("scaling_factor", "0"), ("scaling_factor", "-1"), ("scaling_factor", "inf"),
            ("items", ""),
            ("items", "[]"), ("items", "{}"), ("items", "[1, 2]"), ("items", String(repeating: "[", count: 100_000)),
        ] { #expect(isRefused(file { $0[key] = value }), "\(key) \(value.prefix(30))") }
        for (from, to) in [
            ("a.png", "/etc/passwd"), ("a.png", "../a.png"), ("a.png", ""), ("a.png", String(repeating: "a", count: 256)), ("0a0a", "0A0a"),
            ("0a0a", "0a"), ("0a0a", "0a0x"), ("\"caption\":\"a\"", "\"caption\":5"),
            ("\"caption\":\"a\"", "\"caption\":\"\(String(repeating: "a", count: 70_000))\""),
            ("\"caption\":\"a\"", "\"caption\":\"\\u0000\""),
        ] { #expect(isRefused(file { $0["items"] = $0["items"]?.replacingOccurrences(of: from, with: to) }), "\(from) \(to.prefix(20))") }
        #expect(isRefused(file(names: ["mean"])) && isRefused(file(names: ["mean", "log_variance", "flipped_mean"])))
        #expect(isRefused(file(names: ["mean", "variance"])) && isRefused(file(names: ["a", "b", "c", "d"])))
        for wrong in [[4, 4, 4, 2], [2, 4, 16], [1, 2, 4, 4, 4], [2, 2, 8, 4], [128]] { #expect(isRefused(file(shape: wrong))) }
    }

    /// Any byte may be changed: the shard is refused or is another shard, and nothing else happens.
    @Test func damagedShardsNeverCrash() throws {
        let bytes = try shards([0..<1], flips: false)[0].encoded()
        for place in 0..<min(bytes.count, 700) {
            for value in [UInt8(0), 0x22, 0x2C, 0x39, 0x7D, 0xFF] where bytes[place] != value {
                var changed = bytes
                changed[place] = value
                if let shard = try? LatentShard(bytes: changed) { _ = shard.encoded() }
            }
        }
    }
}
