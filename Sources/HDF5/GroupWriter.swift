// SPDX-License-Identifier: Apache-2.0

import CHDF5

/// Fills one group of a file that `HDF5Image.make` is making.
///
/// It cannot outlive the closure it is given to.
package struct GroupWriter: ~Copyable {
    /// Rows of a chunk of a column: smaller ones cost space for bookkeeping, larger ones cost it in short histories.
    package static let columnChunk = 512
    /// An HDF5 object header, which holds attributes and short text, ends at 64 KiB.
    package static let maximumAttributeBytes = 8_192
    private static let maximumCompactBytes = 60_000

    private let handle: hid_t
    private let path: String

    init(handle: hid_t, path: String) {
        self.handle = handle
        self.path = path
    }

    /// Adds a group and fills it.
    package func group(_ name: String, _ body: (borrowing GroupWriter) throws -> Void) throws {
        let place = "\(path)/\(name)"
        try Library.withProperties(chdf5_group_create_class(), at: place) { properties in
            try Library.check(H5Pset_obj_track_times(properties, false), at: place)
        } _: { properties in
            let group = H5Gcreate2(handle, name, chdf5_default(), properties, chdf5_default())
            try Library.withHandle(group, close: H5Gclose, at: place) { try body(GroupWriter(handle: $0, path: place)) }
        }
    }

    /// Adds a UTF-8 text attribute (fixed length, null-padded) to this group.
    ///
    /// Throws if it has more than `maximumAttributeBytes` bytes or a null character, which HDF5 could not give back.
    package func attribute(_ name: String, text: String) throws {
        let place = "\(path)/@\(name)"
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.maximumAttributeBytes else {
            throw HDF5Error(
                .tooLarge, at: place, "\(bytes.count) bytes of text, but an attribute holds at most \(Self.maximumAttributeBytes)")
        }
        try withTextType(bytes, at: place) { type, padded in
            try attribute(name, type: type, at: place) { try Library.check(H5Awrite($0, type, padded), at: place) }
        }
    }

    /// Adds a 64-bit integer attribute to this group.
    package func attribute(_ name: String, integer: Int64) throws {
        let place = "\(path)/@\(name)"
        try attribute(name, type: ElementKind.int64.fileType, at: place) { attribute in
            var value = integer
            try Library.check(H5Awrite(attribute, ElementKind.int64.memoryType, &value), at: place)
        }
    }

    /// Adds one 64-bit integer as a scalar dataset.
    package func integer(_ name: String, _ integer: Int64) throws {
        try dataset(name, type: ElementKind.int64.fileType, shape: nil) { properties, place in
            try Library.check(H5Pset_layout(properties, H5D_COMPACT), at: place)
        } write: { dataset, place in
            var value = integer
            try write(&value, type: ElementKind.int64.memoryType, to: dataset, at: place)
        }
    }

    /// Adds UTF-8 text of any length as a scalar dataset (fixed length, null-padded).
    ///
    /// Throws if it has a null character.
    package func text(_ name: String, _ text: String) throws {
        let bytes = Array(text.utf8)
        try withTextType(bytes, at: "\(path)/\(name)") { type, padded in
            try dataset(name, type: type, shape: nil) { properties, place in
                // A compact dataset lies inside its header, and so under the header's checksum.
                let layout = bytes.count <= Self.maximumCompactBytes ? H5D_COMPACT : H5D_CONTIGUOUS
                try Library.check(H5Pset_layout(properties, layout), at: place)
            } write: { dataset, place in
                try write(padded, type: type, to: dataset, at: place)
            }
        }
    }

    /// Adds a column that other programs can extend: chunks of `columnChunk` rows, shuffled, compressed, with checksums.
    package func column<Element: HDF5Element>(_ name: String, _ values: [Element]) throws {
        try numbers(name, values, shape: [values.count], maximum: [chdf5_unlimited()], chunk: [Self.columnChunk], isCompressed: true)
    }

    /// Adds an array of fixed shape, row-major, in one chunk with a checksum.
    ///
    /// No dimension may be zero.
    package func array<Element: HDF5Element>(_ name: String, _ values: [Element], shape: [Int]) throws {
        try numbers(name, values, shape: shape, maximum: shape.map(hsize_t.init), chunk: shape, isCompressed: false)
    }

    /// Adds a row-major array whose first dimension may be zero and can be extended; each chunk is one step of it.
    package func stack<Element: HDF5Element>(_ name: String, _ values: [Element], shape: [Int]) throws {
        let rest = Array(shape.dropFirst())
        let maximum = [chdf5_unlimited()] + rest.map(hsize_t.init)
        try numbers(name, values, shape: shape, maximum: maximum, chunk: [1] + rest, isCompressed: false)
    }

    private func numbers<Element: HDF5Element>(
        _ name: String, _ values: [Element], shape: [Int], maximum: [hsize_t], chunk: [Int], isCompressed: Bool
    ) throws {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values do not fill the shape \(shape)")
        precondition(chunk.allSatisfy { $0 > 0 }, "an array with an empty dimension cannot be stored")
        try dataset(name, type: Element.kind.fileType, shape: shape, maximum: maximum) { properties, place in
            try Library.check(H5Pset_chunk(properties, Int32(chunk.count), chunk.map(hsize_t.init)), at: place)
            if isCompressed {
                try Library.check(H5Pset_shuffle(properties), at: place)
                try Library.check(H5Pset_deflate(properties, 6), at: place)
            }
            try Library.check(H5Pset_fletcher32(properties), at: place)
        } write: { dataset, place in
            if values.isEmpty { return }
            try write(values, type: Element.kind.memoryType, to: dataset, at: place)
        }
    }

    /// Creates a dataset without times; `shape` nil makes it a scalar.
    private func dataset(
        _ name: String, type: hid_t, shape: [Int]?, maximum: [hsize_t] = [],
        prepare: (hid_t, String) throws -> Void, write: (hid_t, String) throws -> Void
    ) throws {
        let place = "\(path)/\(name)"
        let space = shape.map { H5Screate_simple(Int32($0.count), $0.map(hsize_t.init), maximum) } ?? H5Screate(H5S_SCALAR)
        try Library.withHandle(space, close: H5Sclose, at: place) { space in
            try Library.withProperties(chdf5_dataset_create_class(), at: place) { properties in
                try Library.check(H5Pset_obj_track_times(properties, false), at: place)
                try prepare(properties, place)
            } _: { properties in
                let dataset = H5Dcreate2(handle, name, type, space, chdf5_default(), properties, chdf5_default())
                try Library.withHandle(dataset, close: H5Dclose, at: place) { try write($0, place) }
            }
        }
    }

    private func write(_ bytes: UnsafeRawPointer, type: hid_t, to dataset: hid_t, at place: String) throws {
        try Library.check(H5Dwrite(dataset, type, chdf5_whole(), chdf5_whole(), chdf5_default(), bytes), at: place)
    }

    private func attribute(_ name: String, type: hid_t, at place: String, write: (hid_t) throws -> Void) throws {
        try Library.withHandle(H5Screate(H5S_SCALAR), close: H5Sclose, at: place) { space in
            let attribute = H5Acreate2(handle, name, type, space, chdf5_default(), chdf5_default())
            try Library.withHandle(attribute, close: H5Aclose, at: place, write)
        }
    }

    /// The type of exactly these bytes, and the bytes; an empty text is one null, because HDF5 has no type of length 0.
    private func withTextType(_ bytes: [UInt8], at place: String, _ body: (hid_t, [UInt8]) throws -> Void) throws {
        guard !bytes.contains(0) else { throw HDF5Error(.unexpected, at: place, "the text has a null character, which HDF5 cannot store") }
        let padded = bytes.isEmpty ? [0] : bytes
        try Library.withHandle(H5Tcopy(chdf5_text()), close: H5Tclose, at: place) { type in
            try Library.check(H5Tset_size(type, padded.count), at: place)
            try Library.check(H5Tset_cset(type, H5T_CSET_UTF8), at: place)
            try Library.check(H5Tset_strpad(type, H5T_STR_NULLPAD), at: place)
            try body(type, padded)
        }
    }
}
