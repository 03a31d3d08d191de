// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct TorchFileTests {
    @Test func aCheckpointsTensorsAreFoundByName() throws {
        let file = try TorchFile(path: fixture("embeddings/model.ckpt"))
        let tensors = try file.stateDictionary()
        #expect(tensors.keys.sorted() == ["a.weight", "steps"])
        let weight = try #require(tensors["a.weight"])
        #expect(weight.shape == [3, 16])
        #expect(weight.dtype == .float32)
        #expect(file.floats(weight) == ramp(48))
        #expect(tensors["steps"].map { file.floats($0) } == [7])
    }

    @Test func functionsAreNeverCalled() throws {
        let file = try TorchFile(path: fixture("embeddings/function.pt"))
        #expect(try file.stateDictionary().isEmpty)
        let value = try #require(file.pickle.value("anything", in: file.pickle.root))
        #expect(file.pickle.symbol(value) == "__builtin__.print")
    }

    @Test func stridesAreFollowedInAnyOrder() throws {
        let file = try TorchFile(path: fixture("embeddings/a1111-transposed-legacy.pt"))
        let parameters = try #require(file.pickle.value("string_to_param", in: file.pickle.root))
        let reference = try #require(file.pickle.value("*", in: parameters))
        let tensor = try #require(try file.tensor(reference))
        #expect(tensor.strides == [1, 3])
        #expect(!tensor.isContiguous)
        #expect(file.floats(tensor) == ramp(48))
    }

    @Test func otherPicklesAndZipFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let plain = try folder.file("plain.pt", [0x80, 2, 0x7D, 0x2E])
        let error = #expect(throws: ModelFileError.self) { try TorchFile(path: plain) }
        #expect(error?.description.contains("not one that torch.save wrote") == true)
        var zip = ZipWriter()
        zip.add("archive/readme", [1])
        let empty = try folder.file("empty.pt", zip.finish())
        #expect(throws: ModelFileError.self) { try TorchFile(path: empty) }
    }

    @Test func tensorsReachingOutsideTheirStorageAreRefused() throws {
        let folder = try TemporaryFolder()
        // The pickle says 2 x 2 floats; the storage holds fewer or is missing.
        let good = EmbeddingFile(rows: 2, width: 2, values: [1, 2, 3, 4])
        let file = try MappedFile(path: folder.file("good.pt", good.automatic1111Bytes()))
        let zip = try ZipReader(file)
        let pickle = try zip.bytes(of: #require(zip.entries["archive/data.pkl"]))
        for storage in [[], [UInt8](repeating: 0, count: 15)] {
            var writer = ZipWriter()
            writer.add("archive/data.pkl", pickle)
            writer.add("archive/data/0", storage)
            let path = try folder.file("short.pt", writer.finish())
            let error = #expect(throws: ModelFileError.self) { try EmbeddingFile.read(path: path) }
            #expect(error?.description.contains("beyond its storage") == true)
        }
        var writer = ZipWriter()
        writer.add("archive/data.pkl", pickle)
        let path = try folder.file("none.pt", writer.finish())
        let error = #expect(throws: ModelFileError.self) { try EmbeddingFile.read(path: path) }
        #expect(error?.description.contains("is not in the file") == true)
    }
}
