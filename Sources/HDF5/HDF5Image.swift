// SPDX-License-Identifier: Apache-2.0

import CHDF5

/// Whole HDF5 files as bytes in memory.
///
/// The library never touches a disk: its own file drivers lock files, leave half-written ones behind, and cannot be trusted to
/// close a file on a full disk. Writing bytes safely is an ordinary job for ordinary calls, and a parser that sees only bytes in
/// memory cannot be led to other files.
package enum HDF5Image {
    /// An HDF5 file that cannot exist: HDF5's in-memory driver wants a name, and insists that no file has it.
    private static let name = "/dev/null/image.h5"
    private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]

    /// The bytes of a new HDF5 file (readable by HDF5 1.10 and newer) with what `body` puts into its root group.
    ///
    /// Equal calls give equal bytes: no times are stored, and nothing depends on addresses. Everything but long text is covered
    /// by HDF5's checksums. Calls from all threads wait for each other; `body` must not call `HDF5Image` itself.
    package static func make(_ body: (borrowing GroupWriter) throws -> Void) throws -> [UInt8] {
        try Library.alone {
            try withAccess(image: nil) { access in
                try Library.withProperties(chdf5_file_create_class(), at: "/") { creation in
                    try Library.check(H5Pset_obj_track_times(creation, false), at: "/")
                } _: { creation in
                    try Library.withHandle(H5Fcreate(name, chdf5_truncate(), creation, access), close: H5Fclose, at: "/") { file in
                        try Library.withHandle(H5Gopen2(file, "/", chdf5_default()), close: H5Gclose, at: "/") { root in
                            try body(GroupWriter(handle: root, path: ""))
                        }
                        return try bytes(of: file)
                    }
                }
            }
        }
    }

    /// Reads an HDF5 file given as bytes.
    ///
    /// They may be hostile: every reader checks type, shape and real size before it allocates.
    ///
    /// Calls from all threads wait for each other; `body` must not call `HDF5Image` itself.
    package static func read<Result>(_ image: [UInt8], _ body: (borrowing GroupReader) throws -> Result) throws -> Result {
        // HDF5 would search for its signature at 512, 1024, ... as well; files with such a preamble are none of ours.
        guard image.starts(with: signature) else { throw HDF5Error(.notHDF5, at: "/", "not an HDF5 file (its signature is missing)") }
        // The 1.10.8 library crashes on some damaged files of the older formats, whose structures have no checksums.
        guard image.count > signature.count, image[signature.count] >= Superblock.oldestChecksummedVersion else {
            throw HDF5Error(.notHDF5, at: "/", "an HDF5 file of the format before 1.10, or cut off")
        }
        return try Library.alone {
            try withAccess(image: image) { access in
                let file = H5Fopen(name, chdf5_read_only(), access)
                do {
                    try Library.check(file, at: "/")
                } catch let error as HDF5Error {
                    throw HDF5Error(.notHDF5, at: "/", "damaged or cut off (\(error.message))")
                }
                return try Library.withHandle(file, close: H5Fclose, at: "/") { file in
                    try Library.withHandle(H5Gopen2(file, "/", chdf5_default()), close: H5Gclose, at: "/") { root in
                        try body(GroupReader(handle: root, path: ""))
                    }
                }
            }
        }
    }

    private static func withAccess<Result>(image: [UInt8]?, _ body: (hid_t) throws -> Result) throws -> Result {
        try Library.withProperties(chdf5_file_access_class(), at: "/") { access in
            // Memory grows by 64 KiB at a time; false: never written to a disk.
            try Library.check(H5Pset_fapl_core(access, 65_536, false), at: "/")
            // The format of 1.10 puts a checksum on all of its own structures; the older ones leave the lists of chunks without.
            try Library.check(H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110), at: "/")
            // Without these blocks the file has no unused space at its end.
            try Library.check(H5Pset_meta_block_size(access, 0), at: "/")
            try Library.check(H5Pset_small_data_block_size(access, 0), at: "/")
            // A file that is closed takes everything in it along, so that a failure cannot leave handles behind.
            try Library.check(H5Pset_fclose_degree(access, H5F_CLOSE_STRONG), at: "/")
            guard let image else { return }
            try image.withUnsafeBytes { bytes in
                // HDF5 copies the bytes; the parameter is only historically mutable.
                let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
                _ = try Library.check(H5Pset_file_image(access, start, bytes.count), at: "/")
            }
        } _: {
            try body($0)
        }
    }

    private static func bytes(of file: hid_t) throws -> [UInt8] {
        try Library.check(H5Fflush(file, H5F_SCOPE_LOCAL), at: "/")
        let size = Int(try Library.check(H5Fget_file_image(file, nil, 0), at: "/"))
        var image = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = Int(try Library.check(H5Fget_file_image(file, buffer.baseAddress, size), at: "/"))
        }
        Superblock.correctChecksum(in: &image)
        return image
    }
}
