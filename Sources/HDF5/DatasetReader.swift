// SPDX-License-Identifier: Apache-2.0

import CHDF5

/// The checks that stand between an open dataset and memory.
struct DatasetReader {
    /// One dataset is read as a whole; a file that needs more than this is none of ours.
    static let maximumBytes = 1 << 30
    /// A chunk is read as a whole too, and HDF5 allocates what its header claims.
    static let maximumChunkBytes = 1 << 26
    /// Deflate makes data at most 1032 times smaller; claims beyond that are lies.
    static let maximumExpansion = 1_100

    let handle: hid_t
    let place: String

    /// Refuses data that HDF5 would fetch from other files, and filters other than its own three.
    func expectOwnData() throws {
        try withProperties { properties in
            let layout = H5Pget_layout(properties)
            guard [H5D_COMPACT, H5D_CONTIGUOUS, H5D_CHUNKED].contains(layout), H5Pget_external_count(properties) == 0 else {
                throw HDF5Error(.unexpected, at: place, "its data lies in another file, which is never opened")
            }
            let filters = try Library.check(H5Pget_nfilters(properties), at: place)
            let known = [chdf5_shuffle_filter(), chdf5_deflate_filter(), chdf5_checksum_filter()]
            for position in 0..<filters where !known.contains(chdf5_filter(properties, UInt32(position))) {
                throw HDF5Error(.unexpected, at: place, "it is stored with a filter other than shuffle, gzip and fletcher32")
            }
        }
    }

    func expectScalar() throws {
        let isScalar = try withSpace { H5Sget_simple_extent_type($0) == H5S_SCALAR }
        guard isScalar else { throw HDF5Error(.unexpected, at: place, "expected one value, found an array") }
    }

    /// The extent; empty for a scalar.
    func shape() throws -> [Int] {
        try withSpace { space in
            guard [H5S_SCALAR, H5S_SIMPLE].contains(H5Sget_simple_extent_type(space)) else {
                throw HDF5Error(.unexpected, at: place, "expected an array, found a dataset without values")
            }
            let rank = Int(try Library.check(H5Sget_simple_extent_ndims(space), at: place))
            var extent = [hsize_t](repeating: 0, count: rank)
            if rank > 0 { try Library.check(H5Sget_simple_extent_dims(space, &extent, nil), at: place) }
            return try extent.map {
                guard let dimension = Int(exactly: $0) else { throw HDF5Error(.tooLarge, at: place, "a dimension of \($0)") }
                return dimension
            }
        }
    }

    /// All values, row-major, after the type, the claimed size and the stored size were found plausible.
    func numbers<Element: HDF5Element>(shape: [Int]) throws -> [Element] {
        let isExpected = try withType { H5Tequal($0, Element.kind.fileType) > 0 }
        guard isExpected else { throw HDF5Error(.unexpected, at: place, "expected \(Element.kind.name), found another type") }
        let count = try expectPlausibleSize(shape: shape, elementSize: Element.kind.size)
        if count == 0 { return [] }
        var values = [Element](repeating: .zero, count: count)
        try values.withUnsafeMutableBytes { try read(type: Element.kind.memoryType, into: $0) }
        return values
    }

    func text(limit: Int) throws -> String {
        try withType { type in
            let size = try TextType.size(of: type, limit: limit, at: place)
            _ = try expectPlausibleSize(shape: [], elementSize: size)
            return try TextType.text(size: size, at: place) { start in
                try read(type: type, into: UnsafeMutableRawBufferPointer(start: start, count: size))
            }
        }
    }

    /// The number of elements, if that many can really be in the file.
    private func expectPlausibleSize(shape: [Int], elementSize: Int) throws -> Int {
        guard let count = product(of: shape), let bytes = product(of: [count, elementSize]), bytes <= Self.maximumBytes else {
            throw HDF5Error(.tooLarge, at: place, "its shape \(shape) asks for more than \(Self.maximumBytes >> 20) MiB")
        }
        var expansion = 1
        try withProperties { properties in
            guard H5Pget_layout(properties) == H5D_CHUNKED else { return }
            var chunk = [hsize_t](repeating: 0, count: shape.count)
            try Library.check(H5Pget_chunk(properties, Int32(shape.count), &chunk), at: place)
            guard let chunkBytes = product(of: chunk.map { Int(clamping: $0) } + [elementSize]), chunkBytes <= Self.maximumChunkBytes else {
                throw HDF5Error(.tooLarge, at: place, "a chunk of \(chunk) asks for more than \(Self.maximumChunkBytes >> 20) MiB")
            }
            if H5Pget_nfilters(properties) > 0 { expansion = Self.maximumExpansion }
        }
        let stored = Int(clamping: H5Dget_storage_size(handle))
        guard bytes / expansion <= stored, bytes == 0 || stored > 0 else {
            throw HDF5Error(.tooLarge, at: place, "its shape \(shape) asks for \(bytes) bytes, but only \(stored) are stored")
        }
        return count
    }

    private func product(of factors: [Int]) -> Int? {
        var product = 1
        for factor in factors {
            let (next, overflow) = product.multipliedReportingOverflow(by: factor)
            if overflow { return nil }
            product = next
        }
        return product
    }

    private func read(type: hid_t, into buffer: UnsafeMutableRawBufferPointer) throws {
        do {
            try Library.check(H5Dread(handle, type, chdf5_whole(), chdf5_whole(), chdf5_default(), buffer.baseAddress), at: place)
        } catch let error as HDF5Error {
            throw HDF5Error(.refused, at: place, "its data is damaged (\(error.message))")
        }
    }

    private func withProperties<Result>(_ body: (hid_t) throws -> Result) throws -> Result {
        try Library.withHandle(H5Dget_create_plist(handle), close: H5Pclose, at: place, body)
    }

    private func withSpace<Result>(_ body: (hid_t) throws -> Result) throws -> Result {
        try Library.withHandle(H5Dget_space(handle), close: H5Sclose, at: place, body)
    }

    private func withType<Result>(_ body: (hid_t) throws -> Result) throws -> Result {
        try Library.withHandle(H5Dget_type(handle), close: H5Tclose, at: place, body)
    }
}
