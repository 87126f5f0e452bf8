import CLinux

/// What of the program's files is mapped into memory.
package enum ResidentCode {
    /// Lets go of the pages of code and constants that the start has touched, most of which are not touched again. They
    /// stay in the page cache, and those that are wanted are mapped from there, some microseconds each 64 KiB.
    package static func forgetStart() { clinux_forget_code() }
}
