import Glibc
import SystemPackage

/// The file of a ``LineLog``, which sees to it that it holds whole lines only.
struct LineSink: ~Copyable {
    private var descriptor: OwnedDescriptor?
    private let path: FilePath
    /// Why the last piece could not be written, nil where it could.
    private(set) var failure: SystemError?
    /// Whether a part of a line is at the end, where it could not be cut off.
    private var isTorn = false

    init(_ destination: LineLog.Destination) throws(SystemError) {
        path = if case .file(let path) = destination { path } else { "standard output" }
        descriptor = try Self.open(destination)
    }

    private static func open(_ destination: LineLog.Destination) throws(SystemError) -> OwnedDescriptor {
        switch destination {
        case .file(let path):
            return try OwnedDescriptor.open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, mode: 0o640)
        case .standardOutput:
            let copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
            guard copy >= 0 else {
                throw SystemError(.open, "standard output", errno: Errno(rawValue: Glibc.errno))
            }
            return OwnedDescriptor(owning: copy)
        }
    }

    mutating func reopen(_ destination: LineLog.Destination) throws(SystemError) {
        guard case .file = destination else { return }
        descriptor = try Self.open(destination)
        isTorn = false
    }

    mutating func close() { descriptor = nil }

    /// Writes lines, and answers how many of them are in the file: of one that does not fit, nothing stays.
    mutating func write(_ text: [UInt8], lines: Int) -> Int {
        guard let rawValue = descriptor?.rawValue else { return 0 }
        failure = nil
        let text = isTorn ? [UInt8(ascii: "\n")] + text : text
        var done = 0
        while done < text.count, failure == nil {
            do throws(SystemError) {
                done += try Self.write(text[done...], to: rawValue, path)
            } catch {
                failure = error
            }
        }
        guard failure != nil else {
            isTorn = false
            return lines
        }
        let whole = text[..<done].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let written = text[..<whole].count { $0 == UInt8(ascii: "\n") } - (isTorn && whole > 0 ? 1 : 0)
        if done > 0 { isTorn = whole < done && !Self.cut(done - whole, off: rawValue) }
        return written
    }

    private static func write(
        _ text: ArraySlice<UInt8>, to rawValue: CInt, _ path: FilePath
    ) throws(SystemError) -> Int {
        let (result, errno) = unsafe text.withUnsafeBytes { buffer in
            while true {
                let result = unsafe Glibc.write(rawValue, buffer.baseAddress, buffer.count)
                if result >= 0 || Glibc.errno != EINTR { return (result, Glibc.errno) }
            }
        }
        // write(2) answers 0 for nothing to write only, and there is something.
        guard result > 0 else { throw SystemError(.write, path, errno: Errno(rawValue: result == 0 ? EIO : errno)) }
        return result
    }

    /// Takes the last bytes off a file; false says that it is none that could be cut.
    private static func cut(_ count: Int, off rawValue: CInt) -> Bool {
        let end = lseek(rawValue, 0, SEEK_END)
        return end >= count && ftruncate(rawValue, end - off_t(count)) == 0
    }
}
