// SPDX-License-Identifier: Apache-2.0

import CHDF5

/// Reads one group of a file given to `HDF5Image.read`.
///
/// It cannot outlive the closure it is given to.
///
/// Only hard links are followed, so a file cannot lead to another one or in circles by name.
package struct GroupReader: ~Copyable {
    private let handle: hid_t
    package let path: String

    init(handle: hid_t, path: String) {
        self.handle = handle
        self.path = path
    }

    /// Whether a link of this name exists; what it leads to is not looked at.
    package func contains(_ name: String) throws -> Bool {
        try Library.check(H5Lexists(handle, name, chdf5_default()), at: "\(path)/\(name)") > 0
    }

    /// Opens a group and reads in it.
    package func group<Result>(_ name: String, _ body: (borrowing GroupReader) throws -> Result) throws -> Result {
        let place = "\(path)/\(name)"
        return try object(name, kind: H5I_GROUP, named: "group") { object in try body(GroupReader(handle: object, path: place)) }
    }

    /// A UTF-8 text attribute of this group, of at most `GroupWriter.maximumAttributeBytes` bytes.
    package func attribute(text name: String) throws -> String {
        try attribute(name) { attribute, type, place in
            let size = try TextType.size(of: type, limit: GroupWriter.maximumAttributeBytes, at: place)
            return try TextType.text(size: size, at: place) { try Library.check(H5Aread(attribute, type, $0), at: place) }
        }
    }

    /// A 64-bit integer attribute of this group.
    package func attribute(integer name: String) throws -> Int64 {
        try attribute(name) { attribute, type, place in
            guard H5Tequal(type, ElementKind.int64.fileType) > 0 else {
                throw HDF5Error(.unexpected, at: place, "expected one 64-bit little-endian integer")
            }
            var value: Int64 = 0
            try Library.check(H5Aread(attribute, ElementKind.int64.memoryType, &value), at: place)
            return value
        }
    }

    /// One 64-bit integer from a scalar dataset.
    package func integer(_ name: String) throws -> Int64 {
        try dataset(name) { dataset in
            try dataset.expectScalar()
            return try dataset.numbers(shape: [])[0]
        }
    }

    /// UTF-8 text from a scalar dataset, of at most `limit` bytes.
    package func text(_ name: String, limit: Int) throws -> String {
        try dataset(name) { dataset in
            try dataset.expectScalar()
            return try dataset.text(limit: limit)
        }
    }

    /// A column: all rows of a one-dimensional dataset.
    package func column<Element: HDF5Element>(_ name: String, of element: Element.Type = Element.self) throws -> [Element] {
        try array(name, rank: 1).values
    }

    /// A row-major array of `rank` dimensions, with its shape.
    package func array<Element: HDF5Element>(
        _ name: String, of element: Element.Type = Element.self, rank: Int
    ) throws -> (values: [Element], shape: [Int]) {
        try dataset(name) { dataset in
            let shape = try dataset.shape()
            guard shape.count == rank else {
                let found = shape.isEmpty ? "one value" : "\(shape.count) (\(shape))"
                throw HDF5Error(.unexpected, at: dataset.place, "expected \(rank) dimension\(rank == 1 ? "" : "s"), found \(found)")
            }
            return (try dataset.numbers(shape: shape), shape)
        }
    }

    private func dataset<Result>(_ name: String, _ body: (DatasetReader) throws -> Result) throws -> Result {
        let place = "\(path)/\(name)"
        return try object(name, kind: H5I_DATASET, named: "dataset") { object in
            let dataset = DatasetReader(handle: object, place: place)
            // First of all: even asking a virtual dataset for its extent would open the files it names.
            try dataset.expectOwnData()
            return try body(dataset)
        }
    }

    private func object<Result>(_ name: String, kind: H5I_type_t, named: String, _ body: (hid_t) throws -> Result) throws -> Result {
        let place = "\(path)/\(name)"
        guard try contains(name) else { throw HDF5Error(.missing, at: place, "this \(named) is missing") }
        guard try Library.check(chdf5_link_is_hard(handle, name), at: place) > 0 else {
            throw HDF5Error(.unexpected, at: place, "expected a \(named), found a link to elsewhere, which is never followed")
        }
        return try Library.withHandle(H5Oopen(handle, name, chdf5_default()), close: H5Oclose, at: place) { object in
            guard H5Iget_type(object) == kind else { throw HDF5Error(.unexpected, at: place, "expected a \(named), found something else") }
            return try body(object)
        }
    }

    private func attribute<Result>(_ name: String, _ body: (hid_t, hid_t, String) throws -> Result) throws -> Result {
        let place = "\(path)/@\(name)"
        guard try Library.check(H5Aexists(handle, name), at: place) > 0 else {
            throw HDF5Error(.missing, at: place, "this attribute is missing")
        }
        return try Library.withHandle(H5Aopen(handle, name, chdf5_default()), close: H5Aclose, at: place) { attribute in
            try Library.withHandle(H5Aget_space(attribute), close: H5Sclose, at: place) { space in
                guard H5Sget_simple_extent_type(space) == H5S_SCALAR else {
                    throw HDF5Error(.unexpected, at: place, "expected one value, found an array")
                }
            }
            return try Library.withHandle(H5Aget_type(attribute), close: H5Tclose, at: place) { try body(attribute, $0, place) }
        }
    }
}
