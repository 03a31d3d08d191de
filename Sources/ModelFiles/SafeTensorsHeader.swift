// SPDX-License-Identifier: Apache-2.0

/// Where one tensor lies in a safetensors file and what it is.
package struct TensorEntry: Sendable, Equatable {
    package let dtype: ElementType
    /// Sizes, slowest first; empty for a scalar.
    package let shape: [Int]
    /// The tensor's bytes, counted from the start of the file.
    package let byteRange: Range<Int>

    package var elementCount: Int { byteRange.count / dtype.byteCount }
}

/// The parsed and checked header of a safetensors file.
///
/// After parsing, every tensor's range lies inside the file, matches its shape, and the ranges follow one another without
/// gap or overlap up to the end of the file: the same promises that the reference implementation checks.
struct SafeTensorsHeader: Sendable {
    /// The reference implementation's own limit.
    static let lengthLimit = 100_000_000

    let tensors: [String: TensorEntry]
    let metadata: [String: String]

    init(_ file: MappedFile) throws(ModelFileError) {
        do throws(ModelFileError) {
            guard file.count >= 8 else {
                throw ModelFileError.malformed("has \(file.count) bytes; a safetensors file starts with an 8-byte header length")
            }
            let length = file.withBytes(0..<8) { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
            guard length <= Self.lengthLimit else {
                throw ModelFileError.malformed(
                    "claims a header of \(length) bytes (limit \(Self.lengthLimit)); this is not a safetensors file, or it is damaged")
            }
            let dataStart = 8 + Int(length)
            guard dataStart <= file.count else {
                throw ModelFileError.malformed("claims a header of \(length) bytes but has only \(file.count); the file is cut short")
            }
            let json = try JSONValue(parsing: file.bytes(8..<dataStart))
            (tensors, metadata) = try Self.interpret(json, dataStart: dataStart, fileCount: file.count)
        } catch {
            throw error.at(file.path)
        }
    }

    private static func interpret(
        _ json: JSONValue, dataStart: Int, fileCount: Int
    ) throws(ModelFileError) -> ([String: TensorEntry], [String: String]) {
        guard case .object(let members) = json else { throw .malformed("the safetensors header is not a JSON object") }
        var tensors: [String: TensorEntry] = [:]
        var metadata: [String: String] = [:]
        for member in members {
            if member.key == "__metadata__" {
                metadata = try Self.metadata(member.value)
            } else {
                tensors[member.key] = try entry(member.key, member.value, dataStart: dataStart, fileCount: fileCount)
            }
        }
        var end = dataStart
        let inOrder = tensors.sorted {
            ($0.value.byteRange.lowerBound, $0.value.byteRange.upperBound) < ($1.value.byteRange.lowerBound, $1.value.byteRange.upperBound)
        }
        for (name, entry) in inOrder {
            guard entry.byteRange.lowerBound == end else {
                throw .malformed(
                    "tensor \(quoted(name)) starts at data byte \(entry.byteRange.lowerBound - dataStart), expected \(end - dataStart): "
                        + (entry.byteRange.lowerBound < end ? "it overlaps the one before" : "there is a gap before it"))
            }
            end = entry.byteRange.upperBound
        }
        guard end == fileCount else {
            throw .malformed("the tensors end at byte \(end) but the file has \(fileCount); it is cut short or has bytes added")
        }
        return (tensors, metadata)
    }

    private static func metadata(_ value: JSONValue) throws(ModelFileError) -> [String: String] {
        guard case .object(let members) = value else { throw .malformed("__metadata__ is not an object of strings") }
        var metadata: [String: String] = [:]
        for member in members {
            guard let text = member.value.text else { throw .malformed("__metadata__ entry \(quoted(member.key)) is not a string") }
            metadata[member.key] = text
        }
        return metadata
    }

    private static func entry(
        _ name: String, _ value: JSONValue, dataStart: Int, fileCount: Int
    ) throws(ModelFileError) -> TensorEntry {
        guard let dtypeName = value["dtype"]?.text, case .array(let sizes)? = value["shape"],
            case .array(let offsets)? = value["data_offsets"]
        else { throw .malformed("tensor \(quoted(name)) lacks a dtype, shape or data_offsets of the right type") }
        guard let dtype = ElementType(rawValue: dtypeName) else {
            let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
            throw .unsupported("tensor \(quoted(name)) has dtype \(quoted(dtypeName)); known are \(known)")
        }
        let shape = sizes.compactMap(\.integer)
        guard shape.count == sizes.count, let count = elementCount(of: shape) else {
            throw .malformed("tensor \(quoted(name)) has a shape whose sizes are not whole numbers or whose product overflows")
        }
        guard offsets.count == 2, let start = offsets[0].integer, let end = offsets[1].integer, start >= 0, start <= end,
            end <= fileCount - dataStart
        else {
            throw .malformed(
                "tensor \(quoted(name)) has data_offsets outside the \(fileCount - dataStart) bytes of data; the file is cut short or damaged"
            )
        }
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow, byteCount == end - start else {
            throw .malformed("tensor \(quoted(name)) has shape \(shape) of \(dtypeName) but its data_offsets span \(end - start) bytes")
        }
        return TensorEntry(dtype: dtype, shape: shape, byteRange: dataStart + start..<dataStart + end)
    }
}
