// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct SafeTensorsFileTests {
    @Test func everyElementTypeIsRead() throws {
        let file = try SafeTensorsFile(path: fixture("safetensors/types.safetensors"))
        #expect(file.names == ["bf16", "bool", "empty", "f16", "f32", "f64", "i16", "i32", "i64", "i8", "scalar", "u8"])
        #expect(file.tensor(named: "f32")?.shape == [2, 2])
        #expect(file.tensor(named: "f32")?.dtype == .float32)
        #expect(file.tensor(named: "scalar")?.shape == [])
        #expect(file.tensor(named: "absent") == nil)
        #expect(try file.floats(named: "f64") == [1.5, -2.25, .infinity])
        #expect(try file.floats(named: "f32") == [1.5, -2.25, 3.0e38, Float(bitPattern: 71362)])
        #expect(try file.floats(named: "f16") == [0, -0.0, 1, -1.5, 65504, 0x1p-24, 0x1p-14, 0.333251953125])
        #expect(try file.floats(named: "f16")[1].sign == .minus)
        #expect(try file.floats(named: "bf16") == [1, -3, 3.3895313892515355e38, Float(bitPattern: 0x1_0000)])
        #expect(try file.integers(named: "i64") == [-(1 << 62), 7])
        #expect(try file.integers(named: "i32") == [Int(Int32.min), Int(Int32.max)])
        #expect(try file.integers(named: "i16") == [-32768, 32767, 5])
        #expect(try file.integers(named: "i8") == [-128, 127, 1])
        #expect(try file.integers(named: "u8") == [0, 255, 3])
        #expect(try file.integers(named: "bool") == [1, 0, 1])
        #expect(try file.floats(named: "i16") == [-32768, 32767, 5])
        #expect(try file.floats(named: "scalar") == [4.5])
        #expect(try file.floats(named: "empty") == [])
        #expect(file.metadata == ["format": "pt", "café \"x\"": "line\nbreak ☃"])
    }

    @Test func askingForTheWrongThingIsOneClearLine() throws {
        let path = fixture("safetensors/types.safetensors")
        let file = try SafeTensorsFile(path: path)
        #expect(throws: ModelFileError(.missing, "has no tensor \"absent\"; it holds 12 tensors", path: path)) {
            try file.floats(named: "absent")
        }
        #expect(throws: ModelFileError.self) { try file.integers(named: "f32") }
        #expect(throws: ModelFileError.self) { try file.withBytes(named: "absent") { _ in } }
        let absent = #expect(throws: ModelFileError.self) { try SafeTensorsFile(path: "/nowhere/x.safetensors") }
        #expect(absent?.description == "/nowhere/x.safetensors: cannot open the file: No such file or directory")
        #expect(throws: ModelFileError.self) { try SafeTensorsFile(path: "/") }
    }

    @Test func dataNeedsNoAlignment() throws {
        let folder = try TemporaryFolder()
        let header = #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} "#
        for padding in 0..<4 {
            let data: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]
            let path = try folder.file("x", safeTensors(header + String(repeating: " ", count: padding), data))
            #expect(try SafeTensorsFile(path: path).floats(named: "x") == [1, -2])
        }
    }

    @Test func anEmptyFileOfTensorsIsAllowed() throws {
        let folder = try TemporaryFolder()
        #expect(try SafeTensorsFile(path: folder.file("x", safeTensors("{}"))).names == [])
    }

    @Test(arguments: [
        ("", "a value was expected"), ("[]", "is not a JSON object"), ("{", "JSON"), ("{}x", "JSON"),
        (#"{"x":1}"#, "lacks a dtype"),
        (#"{"x":{"dtype":"F32","shape":[1]}}"#, "lacks a dtype"),
        (#"{"x":{"dtype":"F32","shape":"1","data_offsets":[0,4]}}"#, "lacks a dtype"),
        (#"{"x":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, "dtype \"F33\""),
        (#"{"x":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, "not whole numbers"),
        (#"{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, "not whole numbers"),
        (#"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#, "overflows"),
        (#"{"x":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#, "span 4 bytes"),
        (#"{"x":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, "not whole numbers"),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, "span 4 bytes"),
        (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, "data_offsets outside"),
        (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, "data_offsets outside"),
        (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, "data_offsets outside"),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "data_offsets outside"),
        (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#, "data_offsets outside"),
        (#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, "bytes added"),
        (#"{"x":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#, "a gap before"),
        (#"{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#, "overlaps"),
        (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "appears twice"),
        (#"{"__metadata__":{"a":1}}"#, "not a string"), (#"{"__metadata__":"a"}"#, "not an object of strings"),
        ("{}", "bytes added"),
    ])
    func malformedHeadersAreRefused(_ header: String, _ complaint: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("x.safetensors", safeTensors(header, [1, 2, 3, 4]))
        let error = #expect(throws: ModelFileError.self) { try SafeTensorsFile(path: path) }
        #expect(error?.description.contains(complaint) == true, "\(error?.description ?? "")")
        #expect(error?.path == path)
        #expect(error?.description.contains("\n") == false)
    }

    @Test func headerLengthsBeyondTheFileOrTheLimitAreRefused() throws {
        let folder = try TemporaryFolder()
        for (length, complaint) in [(3, "cut short"), (100_000_001, "limit"), (UInt64.max, "limit"), (1 << 63, "limit")]
            as [(UInt64, String)]
        {
            let path = try folder.file("x", safeTensors("{}", length: length))
            let error = #expect(throws: ModelFileError.self) { try SafeTensorsFile(path: path) }
            #expect(error?.description.contains(complaint) == true)
        }
        for count in 0..<8 {
            let path = try folder.file("x", [UInt8](repeating: 0, count: count))
            #expect(throws: ModelFileError.self) { try SafeTensorsFile(path: path) }
        }
    }

    @Test func noDamageCrashesTheReader() throws {
        try mutilate(bytes(of: fixture("safetensors/types.safetensors"))) { path, isCut in
            if let file = try? SafeTensorsFile(path: path) {
                #expect(!isCut)
                for name in file.names { _ = try file.floats(named: name) }
            }
        }
    }
}
