// SPDX-License-Identifier: Apache-2.0

import CHDF5
import Synchronization

/// The one door to the C library, which keeps global state: whoever is inside is alone.
///
/// Handles are closed by scopes (`withHandle`), never by a `deinit`, so that no release can wait for this lock or run without it.
enum Library {
    private static let isPrepared = Mutex(false)

    /// Runs `body` alone with the library.
    ///
    /// Calling it from inside `body` would wait for ever, so only `HDF5Image` does.
    static func alone<Result>(_ body: () throws -> Result) throws -> Result {
        try isPrepared.withLock { isPrepared in
            if !isPrepared {
                // Nothing needs flushing at exit, and an exit handler would race with threads that are still inside.
                _ = H5dont_atexit()
                guard H5open() >= 0 else { throw HDF5Error(.refused, at: "/", "the HDF5 library cannot be started") }
                // A file must not make the library load a filter plugin, which is code.
                _ = H5PLset_loading_state(0)
                isPrepared = true
            }
            chdf5_silence_errors()
            return try body()
        }
    }

    /// Throws HDF5's own message if `status` is negative, as HDF5 reports failure.
    @discardableResult
    static func check<Status: SignedInteger>(_ status: Status, at place: String) throws -> Status {
        if status < 0 { throw HDF5Error(.refused, at: place, takeError()) }
        return status
    }

    /// Opens a handle, hands it to `body`, and closes it, whatever happens in between.
    static func withHandle<Result>(
        _ handle: hid_t, close: (hid_t) -> herr_t, at place: String, _ body: (hid_t) throws -> Result
    ) throws -> Result {
        try check(handle, at: place)
        let result: Result
        do {
            result = try body(handle)
        } catch {
            _ = close(handle)
            throw error
        }
        try check(close(handle), at: place)
        return result
    }

    /// A property list of `type`, filled by `fill`.
    static func withProperties<Result>(
        _ type: hid_t, at place: String, fill: (hid_t) throws -> Void, _ body: (hid_t) throws -> Result
    ) throws -> Result {
        try withHandle(H5Pcreate(type), close: H5Pclose, at: place) { properties in
            try fill(properties)
            return try body(properties)
        }
    }

    /// The innermost message of HDF5's error stack, on one line.
    private static func takeError() -> String {
        let message = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer -> String in
            guard let start = buffer.baseAddress else { return "" }
            chdf5_take_error(start, buffer.count)
            return String(cString: start)
        }
        let line = String(String.UnicodeScalarView(message.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : $0 }))
        return line.isEmpty ? "HDF5 failed without saying why" : "HDF5 says: \(line)"
    }
}
