//! recvmmsg and sendmmsg, recvmsg and sendmsg where there is only one message, and recvmsg on the error queue.
//!
//! The headers that the kernel wants, full of pointers, are made on the stack for each call and gone after it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::address::RawAddress;
use super::control::ControlBuffer;

/// Most messages of one call.
pub(in crate::net) const MAX_MESSAGES: usize = 64;

/// Bytes of control messages with a received datagram: of an IPv6 datagram destination 40, traffic class, hop limit,
/// overflow and segment 24 each, timestamp 32, make 168.
pub(in crate::net) const RECEIVE_CONTROL: usize = 192;

/// Most pieces of memory that the messages of one call to send are gathered from.
pub(in crate::net) const MAX_PIECES: usize = 256;

/// Bytes of control messages with a sent message: source 40, traffic class, hop limit and segment 24 each.
pub(in crate::net) const SEND_CONTROL: usize = 112;

/// Bytes of control messages with an entry of the error queue: besides what comes with a datagram, the error
/// and the address of whoever reported it.
pub(in crate::net) const ERROR_CONTROL: usize = 512;

/// Descriptions of pieces, made or still to be made.
type Vectors<'f> = &'f mut [MaybeUninit<libc::iovec>];

/// Where one received datagram goes, and what the kernel says of it.
pub(in crate::net) struct Slot {
    pub(in crate::net) source: RawAddress,
    pub(in crate::net) control: ControlBuffer<RECEIVE_CONTROL>,
    pub(in crate::net) length: usize,
    pub(in crate::net) truncated: bool,
}

impl Slot {
    pub(in crate::net) const EMPTY: Self =
        Self { source: RawAddress::EMPTY, control: ControlBuffer::EMPTY, length: 0, truncated: false };
}

/// One message to send.
pub(in crate::net) struct Outgoing<'a, P> {
    pub(in crate::net) destination: &'a RawAddress,
    pub(in crate::net) control: &'a [u8],
    /// The bytes, at most [`MAX_PIECES`] pieces.
    pub(in crate::net) pieces: P,
}

/// Receives without waiting, one datagram into each of `spaces` and `slots`, at most [`MAX_MESSAGES`].
pub(in crate::net) fn receive<'a>(
    fd: BorrowedFd<'_>,
    slots: &mut [Slot],
    spaces: impl Iterator<Item = &'a mut [u8]>,
) -> io::Result<usize> {
    let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; MAX_MESSAGES];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MAX_MESSAGES];
    let mut count = 0;
    let places = headers.iter_mut().zip(&mut vectors);
    for (((header, vector), slot), space) in places.zip(&mut *slots).zip(spaces) {
        let vector = vector.write(vector_of(space.as_mut_ptr(), space.len()));
        let name = slot.source.as_bytes_mut();
        let (name, name_length) = (name.as_mut_ptr(), name.len());
        let control = slot.control.space();
        let (control, control_length) = (control.as_mut_ptr(), control.len());
        header.write(header_of(name, name_length, vector, control, control_length));
        count += 1;
    }
    let received = match headers.first_mut() {
        Some(header) if count == 1 => {
            // SAFETY: the first header has been initialised above, and points to what is described below.
            receive_one(fd, unsafe { header.assume_init_mut() })?
        }
        _ => {
            // SAFETY: the first `count` headers are initialised. Each points to its own initialised vector, address
            // and control bytes and to its own space, with their true lengths; all of them are borrowed mutably
            // until this function returns, so nobody else reads or writes what the kernel writes.
            let received = unsafe {
                libc::recvmmsg(
                    fd.as_raw_fd(),
                    headers.as_mut_ptr().cast(),
                    u32::try_from(count).unwrap_or_default(),
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            usize::try_from(received).map_err(|_| io::Error::last_os_error())?
        }
    };
    for (header, slot) in headers.iter().take(received.min(count)).zip(slots) {
        // SAFETY: among the first `count`, which have been initialised above.
        let header = unsafe { header.assume_init_ref() };
        slot.length = usize::try_from(header.msg_len).unwrap_or_default();
        slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        slot.control.set_used(header.msg_hdr.msg_controllen);
        if header.msg_hdr.msg_namelen == 0 {
            slot.source = RawAddress::EMPTY;
        }
    }
    Ok(received)
}

/// `recvmsg` in the clothes of a `recvmmsg` of one: it spares the kernel a loop, a timeout and a copy. The header must
/// be one of those that [`receive`] makes.
fn receive_one(fd: BorrowedFd<'_>, header: &mut libc::mmsghdr) -> io::Result<usize> {
    // SAFETY: the header points to one initialised vector, to an address and to control bytes with their true lengths,
    // all borrowed mutably by the caller until this function has returned.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header.msg_hdr, libc::MSG_DONTWAIT) };
    header.msg_len = u32::try_from(length).map_err(|_| io::Error::last_os_error())?;
    Ok(1)
}

/// Sends without waiting, at most [`MAX_MESSAGES`] of `messages` and [`MAX_PIECES`]. Returns how many were taken; an
/// error only when the first was not.
pub(in crate::net) fn send<'a, P: Iterator<Item = &'a [u8]>>(
    fd: BorrowedFd<'_>,
    messages: impl Iterator<Item = Outgoing<'a, P>>,
) -> io::Result<usize> {
    let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; MAX_PIECES];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MAX_MESSAGES];
    let mut free = vectors.as_mut_slice();
    let mut count = 0;
    let mut plain = true;
    for (header, message) in headers.iter_mut().zip(messages) {
        let Some((mine, rest)) = gather(free, message.pieces) else { break };
        free = rest;
        let name = message.destination.as_bytes().as_ptr().cast_mut();
        let control = message.control.as_ptr().cast_mut();
        let (start, length) = (mine.as_mut_ptr().cast(), mine.len());
        let made = header_of(name, message.destination.length(), start, control, message.control.len());
        header.write(made).msg_hdr.msg_iovlen = length;
        plain &= length == 1 && message.control.is_empty();
        count += 1;
    }
    if count == 0 {
        return Ok(0);
    }
    let (start, flags) =
        (headers.as_mut_ptr().cast::<libc::mmsghdr>(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
    // SAFETY: the first `count` headers are initialised. Each points to its own vectors, all initialised by `gather`,
    // and to an address, control bytes and pieces that are borrowed for `'a`, which outlives the call, with their
    // true lengths. The kernel only reads them; it writes to the headers alone. One message spares the kernel a loop
    // and a copy: `start` is then the only header, and `msg_hdr` its first field. If it is in one piece and says nothing
    // besides, that vector is the first, and the kernel need not read a header at all.
    let sent = unsafe {
        if count == 1 && plain {
            let (header, piece) = ((*start).msg_hdr, *(*start).msg_hdr.msg_iov);
            let to = header.msg_name.cast::<libc::sockaddr>();
            let sent =
                libc::sendto(fd.as_raw_fd(), piece.iov_base, piece.iov_len, flags, to, header.msg_namelen);
            if sent < 0 { -1 } else { 1 }
        } else if count == 1 {
            if libc::sendmsg(fd.as_raw_fd(), start.cast(), flags) < 0 { -1 } else { 1 }
        } else {
            libc::sendmmsg(fd.as_raw_fd(), start, u32::try_from(count).unwrap_or_default(), flags)
        }
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Describes the pieces in the first of `free`: those, all initialised, and what is left. None if there are too many.
fn gather<'f, 'a>(
    free: Vectors<'f>,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Option<(Vectors<'f>, Vectors<'f>)> {
    let mut used = 0;
    for piece in pieces {
        free.get_mut(used)?.write(vector_of(piece.as_ptr().cast_mut(), piece.len()));
        used += 1;
    }
    free.split_at_mut_checked(used)
}

/// Takes one entry from the error queue: the address that the failed datagram was sent to, and the control messages.
/// The datagram's bytes are not wanted.
pub(in crate::net) fn receive_error(
    fd: BorrowedFd<'_>,
    peer: &mut RawAddress,
    control: &mut ControlBuffer<ERROR_CONTROL>,
) -> io::Result<()> {
    *peer = RawAddress::EMPTY;
    let mut vector = vector_of(std::ptr::NonNull::dangling().as_ptr(), 0);
    let name = peer.as_bytes_mut();
    let (name, name_length) = (name.as_mut_ptr(), name.len());
    let space = control.space();
    let mut header = header_of(name, name_length, &mut vector, space.as_mut_ptr(), space.len());
    // SAFETY: the header points to the vector (of length zero: nothing is written through it), the address and
    // the control bytes, with their true lengths, all borrowed mutably until this function returns.
    let result = unsafe {
        libc::recvmsg(fd.as_raw_fd(), &raw mut header.msg_hdr, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    control.set_used(header.msg_hdr.msg_controllen);
    Ok(())
}

fn vector_of(base: *mut u8, length: usize) -> libc::iovec {
    libc::iovec { iov_base: base.cast(), iov_len: length }
}

fn header_of(
    name: *mut u8,
    name_length: usize,
    vector: *mut libc::iovec,
    control: *mut u8,
    control_length: usize,
) -> libc::mmsghdr {
    // SAFETY: all-zero is a valid value of this struct of integers and raw pointers (it has private padding
    // on some systems, so it cannot be written field by field).
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_name = name.cast();
    header.msg_hdr.msg_namelen = libc::socklen_t::try_from(name_length).unwrap_or_default();
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header.msg_hdr.msg_control = if control_length == 0 { std::ptr::null_mut() } else { control.cast() };
    header.msg_hdr.msg_controllen = control_length;
    header
}
