// SPDX-License-Identifier: Apache-2.0

import CHDF5

/// Text of fixed length, the only kind that is read: variable-length text lies in a heap that HDF5 neither checksums nor bounds.
enum TextType {
    /// The length in bytes that `type` claims, if it is text of a fixed length within `limit`.
    static func size(of type: hid_t, limit: Int, at place: String) throws -> Int {
        guard H5Tget_class(type) == H5T_STRING, H5Tis_variable_str(type) == 0, H5Tget_strpad(type) != H5T_STR_SPACEPAD else {
            throw HDF5Error(.unexpected, at: place, "expected UTF-8 text of fixed length, null-padded")
        }
        let size = H5Tget_size(type)
        guard size > 0, size <= limit else { throw HDF5Error(.tooLarge, at: place, "\(size) bytes of text, expected at most \(limit)") }
        return size
    }

    /// Reads `size` bytes with `read` and takes them as UTF-8 up to the padding.
    static func text(size: Int, at place: String, read: (UnsafeMutableRawPointer) throws -> Void) throws -> String {
        var bytes = [UInt8](repeating: 0, count: size)
        try bytes.withUnsafeMutableBytes { buffer in
            if let start = buffer.baseAddress { try read(start) }
        }
        guard let text = String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) else {
            throw HDF5Error(.unexpected, at: place, "the text is not valid UTF-8")
        }
        return text
    }
}
