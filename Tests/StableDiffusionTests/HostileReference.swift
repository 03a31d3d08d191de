// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import Testing

/// Writes reference files with one tensor replaced; token ids and timesteps stay whole numbers.
enum HostileReference {
    static func write(_ source: SafeTensorsFile, replacing replaced: String, shape: [Int], values: [Float], to path: String) throws {
        var header: [String: Any] = ["__metadata__": source.metadata], body = Data()
        for name in source.names {
            let entry = try #require(source.tensor(named: name)), start = body.count, isReplaced = name == replaced
            if ["input_ids", "timesteps"].contains(name) {
                let numbers = isReplaced ? values.map { Int64($0) } : try source.integers(named: name).map { Int64($0) }
                body += numbers.withUnsafeBytes { Data($0) }
            } else {
                body += (isReplaced ? values : try source.floats(named: name)).withUnsafeBytes { Data($0) }
            }
            let kind = ["input_ids", "timesteps"].contains(name) ? "I64" : "F32"
            header[name] = ["dtype": kind, "shape": isReplaced ? shape : entry.shape, "data_offsets": [start, body.count]]
        }
        var text = try JSONSerialization.data(withJSONObject: header)
        text += Data(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
        var file = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
        file += text + body
        try file.write(to: URL(fileURLWithPath: path))
    }
}

/// Expects an error whose description is one line with all of `parts` in it.
func expectOneLine(
    _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> some Any
) {
    do {
        _ = try body()
        Issue.record("no error was thrown; expected one that says \(parts)", sourceLocation: sourceLocation)
    } catch {
        let text = String(describing: error)
        #expect(!text.contains("\n"), sourceLocation: sourceLocation)
        for part in parts where !part.isEmpty { #expect(text.contains(part), "\(text)", sourceLocation: sourceLocation) }
    }
}
