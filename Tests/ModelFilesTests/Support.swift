// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import ModelFiles

/// The path of a file in Tests/Fixtures.
func fixture(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/\(name)").path
}

/// A folder that is gone when the last reference is.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "modelfiles-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func file(_ name: String, _ bytes: [UInt8] = []) throws -> String {
        let path = path + "/" + name
        try Data(bytes).write(to: URL(filePath: path))
        return path
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

func bytes(of path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path)))
}

/// What every embedding fixture holds: element i is (i - 20) / 16.
func ramp(_ count: Int) -> [Float] {
    (0..<count).map { (Float($0) - 20) / 16 }
}

/// A safetensors file from its parts.
func safeTensors(_ header: String, _ data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Array($0) } + Array(header.utf8) + data
}

/// Reads `original` cut short at every length and with every byte changed in turn, calling `check` on each variant.
func mutilate(_ original: [UInt8], _ check: (_ path: String, _ isCut: Bool) throws -> Void) throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("mutilated", original)
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    defer { try? handle.close() }
    for (index, byte) in original.enumerated() {
        for changed in [byte ^ 0xFF, byte &+ 1, 0, 0x7F] where changed != byte {
            try handle.seek(toOffset: UInt64(index))
            try handle.write(contentsOf: [changed])
            try check(path, false)
        }
        try handle.seek(toOffset: UInt64(index))
        try handle.write(contentsOf: [byte])
    }
    for length in original.indices.reversed() {
        try handle.truncate(atOffset: UInt64(length))
        try check(path, true)
    }
}
