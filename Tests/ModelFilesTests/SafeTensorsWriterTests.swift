// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct SafeTensorsWriterTests {
    private struct Interruption: Error {}

    @Test func bytesAreThoseOfTheReferenceImplementation() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/x.safetensors"
        try SafeTensorsWriter.write(
            tensors: [("b", [2, 3], ramp(6)), ("a.weight", [1, 4], ramp(4)), ("B", [1, 1], ramp(1))], metadata: ["format": "pt"], to: path)
        #expect(try bytes(of: path) == bytes(of: fixture("safetensors/canonical.safetensors")))
        #expect(try folder.names == ["x.safetensors"])
    }

    @Test func namesAndMetadataOfAnyTextReadBack() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/x.safetensors"
        let metadata = ["a\"\\\n\u{1}": "é☃", "": ""]
        try SafeTensorsWriter.write(
            tensors: [("<teal \"heart\">", [1], [2]), ("ß", [], [3]), ("none", [0, 5], [])], metadata: metadata, to: path)
        let file = try SafeTensorsFile(path: path)
        #expect(file.metadata == metadata)
        #expect(file.names == ["<teal \"heart\">", "none", "ß"])
        #expect(try file.floats(named: "ß") == [3])
        #expect(file.tensor(named: "none")?.shape == [0, 5])
        #expect(try bytes(of: path)[0..<8].first.map { $0 % 8 } == 0)
    }

    @Test(arguments: [ElementType.float32, .float16])
    func streamingAsksForEachTensorOnceAndInOrder(_ dtype: ElementType) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/x.safetensors"
        var asked: [String] = []
        let large = (0..<300_000).map { Float($0 % 2048) }
        try SafeTensorsWriter.write([.init(name: "z", shape: [2]), .init(name: "a", shape: [300, 1000])], as: dtype, to: path) { name in
            asked.append(name)
            return name == "a" ? large : [1, -0.5]
        }
        #expect(asked == ["a", "z"])
        let file = try SafeTensorsFile(path: path)
        #expect(file.tensor(named: "a")?.dtype == dtype)
        #expect(try file.floats(named: "a") == large)
        #expect(try file.floats(named: "z") == [1, -0.5])
    }

    @Test func aFailureKeepsTheOldFileAndLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("x.safetensors", [1, 2, 3])
        #expect(throws: Interruption.self) {
            try SafeTensorsWriter.write([.init(name: "a", shape: [1])], as: .float32, to: path) { _ in throw Interruption() }
        }
        #expect(try bytes(of: path) == [1, 2, 3])
        #expect(try folder.names == ["x.safetensors"])
    }

    @Test func unwritablePlacesAreOneClearLine() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: ModelFileError.self) { try AtomicFile.write([1], to: folder.path + "/absent/x.pt") }
        #expect(
            error?.description
                == "\(folder.path)/absent/x.pt: cannot create a file in the folder \(folder.path)/absent: No such file or directory")
        #expect(throws: ModelFileError.self) { try AtomicFile.write([1], to: folder.path) }
        #expect(throws: ModelFileError.self) { try AtomicFile.write([1], to: folder.path + "/") }
        #expect(try folder.names == [])
    }

    @Test func longFileNamesAreWritten() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/" + String(repeating: "é", count: 127)
        try AtomicFile.write([7], to: path)
        #expect(try bytes(of: path) == [7])
    }
}
